//! What modules keep from one call to the next.

pub(crate) mod state_store;
