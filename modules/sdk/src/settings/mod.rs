//! A module's settings: one struct that `serde` reads and that describes itself by its JSON Schema.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, de::DeserializeOwned};

pub use crate::bindings::exports::arcllm::llm::module::ConfigError;

pub(crate) mod names;
pub(crate) mod number;
pub(crate) mod read;
pub(crate) mod store;
pub(crate) mod target;

/// The settings of a module.
///
/// `#[serde(default, deny_unknown_fields)]` on the struct makes every key optional and a mistyped key an error. The first
/// line of a field's documentation is the help of an error about its type: say there what would be right.
///
/// A type that checks its own range, as [`Seconds`](crate::Seconds) does, gives `serde` an error of the form
/// `is VALUE, expected WHAT WOULD BE RIGHT`.
pub trait Config: DeserializeOwned + JsonSchema {
    /// Finds what the types do not rule out: two settings that contradict each other, for example.
    ///
    /// Not called when a key could not be read.
    fn check(&self) -> Vec<ConfigError> {
        Vec::new()
    }
}

/// The settings of a module that has none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

impl Config for NoSettings {}

impl ConfigError {
    /// An error about the setting `key`: what is wrong with it, and what would be right.
    ///
    /// The host prints the message behind the key, so it reads on from there: `is 0`.
    pub fn new(key: impl Into<String>, message: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), expected: expected.into() }
    }
}

/// Returns the JSON Schema of the settings `C`.
pub(crate) fn schema<C: Config>() -> Schema {
    schemars::schema_for!(C)
}
