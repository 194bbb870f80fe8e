//! Instances, and how calls come to them.

pub(crate) mod calls;
pub(crate) mod drive;
pub(crate) mod error;
pub(crate) mod instance;
pub(crate) mod open;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod run;
#[cfg(test)]
pub(crate) mod stage;
pub(crate) mod turn;
pub(crate) mod worker;

// For `turn`, which a test compiles with the atomics of `loom` instead.
use std::sync::atomic;
