//! Keys, trust and warnings: what a configuration may do, and what `check` says of it.

mod keys;
mod model;
pub(crate) mod stranger;
mod trust;
mod untrusted;
mod warnings;
