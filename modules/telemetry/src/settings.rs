//! `[modules.telemetry]`.

use arcllm_module::Config;
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether each call is logged, as a line of JSON at the level info: true or false.
    pub log: bool,
    /// Whether calls are added up, by provider and model and in total: true or false.
    pub totals: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { log: true, totals: true }
    }
}

impl Config for Settings {}
