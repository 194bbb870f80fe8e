//! `[modules.validate]`.

use arcllm_module::{Config, ConfigError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often the model is asked again after an answer that does not fit: a whole number from 0 to 16.
    pub max_retries: u32,
    /// Whether the arguments of tool calls are checked against the parameters of the tool: true or false.
    pub tools: bool,
    /// What becomes of a call whose schema cannot be checked: "refuse" refuses it before anything is asked, "pass" lets its answer
    /// pass unchecked.
    pub uncheckable: Uncheckable,
}

/// What becomes of a call whose schema cannot be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Uncheckable {
    /// It is refused before anything is asked.
    Refuse,
    /// Its answer passes unchecked.
    Pass,
}

/// The most that makes sense: a model that has failed so often will not learn it.
const MOST: u32 = 16;

impl Default for Settings {
    fn default() -> Self {
        Self { max_retries: 2, tools: false, uncheckable: Uncheckable::Refuse }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let too_many =
            || ConfigError::new("max_retries", format!("is {}", self.max_retries), "a whole number from 0 to 16");
        (self.max_retries > MOST).then(too_many).into_iter().collect()
    }
}
