//! What modules keep from one call to the next.

mod counter;
mod health;
mod memory;
pub(crate) mod memory_store;
pub(crate) mod operation;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod state_store;
mod tokens;
pub(crate) mod watched_store;
mod window;
