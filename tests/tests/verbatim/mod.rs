//! A client's own bytes to a provider of its format, and the provider's bytes back.

pub(crate) mod answers;
mod requests;
pub(crate) mod stage;
pub(crate) mod streams;
