//! Puts chains together: finds, compiles and configures modules, and exchanges them.

pub(crate) mod access;
pub(crate) mod chain;
pub(crate) mod find;
pub(crate) mod host;
pub(crate) mod in_code;
pub(crate) mod pools;
pub(crate) mod prepare;
pub(crate) mod ready;
pub(crate) mod reload;
pub(crate) mod upstreams;
pub(crate) mod watch;
