//! Runs modules: each instance has a store of its own, and calls are handed from instance to instance.
//!
//! A call never enters a store from within another store's event loop, which wasmtime does not allow. It travels over a
//! channel, and its answer comes back over another.
//!
//! Rare branches of a call are boxed: otherwise the future of every call would have room for them.

pub(crate) mod chain;
pub(crate) mod guest;
pub(crate) mod instance;
pub(crate) mod limits;
pub(crate) mod slot;
