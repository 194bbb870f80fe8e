//! `[modules.fallback]`.

use arcllm_module::{Config, ConfigError, ProviderName};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The providers to ask, in this order; the one that failed is skipped: a list of provider names.
    pub chain: Vec<ProviderName>,
    /// HTTP statuses that are no reason to ask another provider: a list of numbers from 100 to 599.
    pub except_status_codes: Vec<u16>,
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let empty = self.chain.is_empty().then(|| {
            ConfigError::new(
                "chain",
                "is empty or missing",
                "a list of provider names, such as [\"anthropic\", \"openai\"]",
            )
        });
        let statuses = (self.except_status_codes.iter().enumerate())
            .filter(|(_, status)| !(100..=599).contains(*status))
            .map(|(at, status)| {
                let key = format!("except_status_codes[{at}]");
                ConfigError::new(key, format!("is {status}"), "an HTTP status, from 100 to 599")
            });
        empty.into_iter().chain(statuses).collect()
    }
}
