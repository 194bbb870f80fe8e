//! Modules of strangers reach nothing that they were not given.

mod describe;
mod grants;
mod inspect;
mod reserved;
pub(crate) mod stage;
mod terminal;
mod unavailable;
