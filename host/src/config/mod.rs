//! The configuration: providers, models, modules, defaults, and whether it is trusted.

pub(crate) mod additions;
pub(crate) mod compile_cache;
pub(crate) mod config;
pub(crate) mod defaults;
pub(crate) mod digest;
pub(crate) mod document;
pub(crate) mod grant;
pub(crate) mod in_code;
pub(crate) mod key;
pub(crate) mod known_model;
pub(crate) mod model;
pub(crate) mod module;
pub(crate) mod overrides;
pub(crate) mod powers;
pub(crate) mod presets;
pub(crate) mod provider;
pub(crate) mod provider_in_code;
pub(crate) mod quirks;
pub(crate) mod resolve;
pub(crate) mod sandbox;
pub(crate) mod section;
pub(crate) mod serve;
pub(crate) mod suggest;
pub(crate) mod trust;
pub(crate) mod trust_store;
