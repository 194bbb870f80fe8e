//! Requests, answers and errors: plain data, without a runtime and without a network.

pub(crate) mod cache_mark;
pub(crate) mod config_error;
pub(crate) mod content;
pub(crate) mod conversation;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod extensions;
pub(crate) mod failure;
pub(crate) mod media_source;
pub(crate) mod message;
pub(crate) mod options;
pub(crate) mod original;
pub mod plain;
pub(crate) mod reason;
pub(crate) mod received;
pub(crate) mod request;
pub(crate) mod reserved;
pub(crate) mod response;
pub(crate) mod seconds;
pub(crate) mod setters;
pub(crate) mod size;
pub(crate) mod tool;
pub(crate) mod trail;
pub(crate) mod usage;
pub(crate) mod wire_format;
