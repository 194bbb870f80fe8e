//! What all routes share: the host, its models, and who may use them.

pub(crate) mod caller;
pub(crate) mod gateway;
pub(crate) mod keys;
pub(crate) mod readiness;
pub(crate) mod shared;
