//! A store in a Redis, which several processes share.

mod connection;
pub(crate) mod redis_store;
