//! What modules keep from one call to the next.

mod counter;
mod memory;
pub(crate) mod memory_store;
pub(crate) mod operation;
pub(crate) mod state_store;
mod tokens;
mod window;
