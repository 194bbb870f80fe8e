//! Runs modules. Each instance has a store of its own, and calls travel between instances.
//!
//! A call never enters a store from within another store's event loop: wasmtime does not allow it. Calls and answers
//! travel over channels.
//!
//! Rare branches of a call are boxed, to keep the future of every call small.

pub(crate) mod chain;
pub(crate) mod guest;
pub(crate) mod instance;
pub(crate) mod limits;
pub(crate) mod slot;
