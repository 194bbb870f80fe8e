//! A client's own bytes to a provider of its format, and the provider's bytes back.

mod answers;
mod requests;
mod stage;
mod streams;
