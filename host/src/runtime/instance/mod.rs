//! Instances, and how calls come to them.
//!
//! A [`Pool`](pool::Pool) hands calls to workers. A [`Worker`](worker::Worker) is an instance as the pool sees it: its
//! calls, and whether it takes more. Threads share it. An [`Instance`](instance::Instance) is the running component:
//! its store and its exports. Only its event loop (`run.rs`) touches it.

pub(crate) mod calls;
pub(crate) mod drive;
pub(crate) mod error;
pub(crate) mod instance;
pub(crate) mod open_workers;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod run;
#[cfg(test)]
pub(crate) mod stage;
pub(crate) mod turn;
pub(crate) mod worker;

// For `turn`: a test compiles it with the atomics of `loom` instead.
use std::sync::atomic;
