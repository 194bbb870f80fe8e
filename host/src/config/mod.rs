//! The configuration: providers, modules, defaults, and who trusts it.

pub(crate) mod additions;
pub(crate) mod compile_cache;
pub(crate) mod config;
pub(crate) mod defaults;
pub(crate) mod digest;
pub(crate) mod document;
pub(crate) mod error;
pub(crate) mod key;
pub(crate) mod module;
pub(crate) mod overrides;
pub(crate) mod powers;
pub(crate) mod provider;
pub(crate) mod sandbox;
pub(crate) mod section;
pub(crate) mod trust;
pub(crate) mod trust_store;
pub(crate) mod wire_format;
