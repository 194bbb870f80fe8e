//! The process of `arcllm serve`: threads, connections, signals and reloads.

pub(crate) mod connection;
pub(crate) mod guarded;
pub(crate) mod leaving;
pub(crate) mod port_owner;
pub(crate) mod reload;
pub mod serve;
pub(crate) mod signals;
pub(crate) mod tls;
pub(crate) mod worker;
