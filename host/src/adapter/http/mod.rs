//! Sends requests and reads answers over HTTP. The wire formats are behind a trait.

pub(crate) mod access;
pub(crate) mod api_error;
pub(crate) mod asked;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod client_headers;
pub(crate) mod events;
pub(crate) mod failure;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod hint;
pub(crate) mod http_adapter;
pub(crate) mod rate_limit;
pub(crate) mod reader;
pub(crate) mod reason;
pub(crate) mod sent_body;
pub(crate) mod silence;
pub(crate) mod sse;
