//! Runs modules: each instance is a worker with a store of its own, and calls are handed from worker to worker.
//!
//! A call never enters a store from within another store's event loop, which wasmtime does not allow; it travels over a
//! channel, and its answer comes back over another.

mod additions;
mod bindings;
mod calls;
mod component;
mod convert;
mod cpu;
mod drive;
mod engine;
mod exports;
mod failed;
mod handles;
mod imports;
mod instance;
mod limits;
mod log_rate;
mod module;
mod open;
mod pool;
mod queue;
mod room;
mod serve;
#[cfg(test)]
mod stage;
mod state;
mod worker;
mod writing;

pub use component::{Origin, Streams};
pub use instance::Probe;

pub(crate) use additions::MayAdd;
pub(crate) use bindings::exports::arcllm::llm::module::{ConfigError as Refusal, Cost, Description, Target};
pub(crate) use component::{Compiled, GRANTS, digest};
#[cfg(any(test, fuzzing))]
pub(crate) use convert::lift;
pub(crate) use engine::Runtime;
pub(crate) use handles::{Hop, Loader, Place};
pub(crate) use instance::Instance;
pub(crate) use module::Module;
pub(crate) use pool::{Pool, Share};
