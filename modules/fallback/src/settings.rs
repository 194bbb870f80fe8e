//! `[modules.fallback]`.

use arcllm_module::{Config, ConfigError, HttpStatus, ModelName};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The models to ask, in this order; the provider that failed is skipped: a list of names, such as "openai" or "openai/gpt-4.1".
    pub chain: Vec<ModelName>,
    /// HTTP statuses after which no other provider is asked: a list of numbers from 100 to 599.
    pub except_status_codes: Vec<HttpStatus>,
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let empty = || {
            let expected = "a list of names, such as [\"anthropic\", \"openai\"]";
            ConfigError::new("chain", "is empty or missing", expected)
        };
        self.chain.is_empty().then(empty).into_iter().collect()
    }
}
