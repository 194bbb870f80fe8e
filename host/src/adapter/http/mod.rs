//! Sends requests and reads answers. Knows nothing of wire formats.

pub(crate) mod access;
pub(crate) mod api_error;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod events;
pub(crate) mod failure;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod garbled;
pub(crate) mod hint;
pub(crate) mod http_adapter;
pub(crate) mod reader;
