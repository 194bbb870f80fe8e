//! The keys of providers: where they come from, and how long they are used.

pub(crate) mod api_key;
pub(crate) mod command;
pub(crate) mod provider_key;
