//! The commands that keep `arcllm.lock`: which modules were accepted, and what they may do.

pub(crate) mod add;
mod candidate;
mod change;
mod consent;
mod edit;
pub(crate) mod fetch;
pub(crate) mod list;
pub(crate) mod remove;
pub(crate) mod update;
pub(crate) mod verify;
