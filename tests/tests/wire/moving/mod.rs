//! Conversations that move from one provider to another.

mod failover;
mod options;
mod quirks;
mod random;
mod rules;
mod sources;
pub(crate) mod stage;
mod targets;
mod unknown_fields;
mod valid;
