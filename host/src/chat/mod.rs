//! What is said: plain data, without a runtime and without a network.

pub(crate) mod content;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod message;
pub mod plain;
pub(crate) mod received;
pub(crate) mod request;
pub(crate) mod reserved;
pub(crate) mod response;
pub(crate) mod seconds;
pub(crate) mod trail;
