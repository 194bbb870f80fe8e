//! Reports on a configuration and its modules, without a call.

pub(crate) mod check;
pub(crate) mod imports;
pub(crate) mod metadata;
pub(crate) mod models;
pub(crate) mod order;
pub(crate) mod permissions;
pub(crate) mod prices;
pub(crate) mod report;
pub(crate) mod warnings;
