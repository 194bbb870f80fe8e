//! `[modules.hedge]`.

use arcllm_module::{Amount, Config, ConfigError, Count, Listed, Seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How the delay is found: "fixed" or "p95".
    pub after: After,
    /// How long the first has to begin, in seconds; with "p95", while too few answers were seen: a number above zero.
    #[schemars(extend("format" = "arcllm-wait-seconds"))]
    pub after_seconds: Seconds,
    /// How many answers must have been seen before their p95 counts: a whole number above zero.
    pub min_samples: Count,
    /// For how long an answer counts for the p95, and a call for the share, in seconds: a number above zero.
    pub window_seconds: Seconds,
    /// The largest share of calls that ask a second target: a number from 0 to 1.
    pub max_share: Amount,
    /// The models to ask beside a slow one, the first that is not the slow one itself; without any, the same again: a list of names, such as "openai/gpt-4.1".
    pub targets: Vec<Listed>,
    /// Whether reasoning is the beginning of an answer; else a stream is held back until its first text: true or false.
    pub reasoning_begins: bool,
}

/// How the delay is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum After {
    /// It is `after_seconds`.
    Fixed,
    /// Of the answers seen before, 95 of 100 began within it.
    P95,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            after: After::Fixed,
            after_seconds: Seconds::new(3.0),
            min_samples: Count::new(50),
            window_seconds: Seconds::new(300.0),
            max_share: Amount::new(0.05),
            targets: Vec::new(),
            reasoning_begins: false,
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let share = self.max_share.get();
        let too_much = || ConfigError::new("max_share", format!("is {share}"), "a share of the calls, from 0 to 1");
        (share > 1.0).then(too_much).into_iter().collect()
    }
}
