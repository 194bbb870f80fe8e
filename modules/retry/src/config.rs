//! `[modules.retry]`.

use arcllm_module::{Config, ConfigError};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often a call is tried again after its first attempt: a whole number, zero or more.
    pub max_retries: u32,
    /// The wait before the first retry, in seconds, doubled for each one after: a number above zero.
    pub backoff_base_seconds: f64,
    /// The longest wait, in seconds; a server that asks for more ends the retrying: a number above zero.
    #[schemars(extend("format" = "arcllm-wait-seconds"))]
    pub max_wait_seconds: f64,
    /// How many retries a call earns, for itself or another: a number, zero or more.
    pub budget_ratio: f64,
    /// How many retries there may be in a second that no call has earned, over all calls: a number, zero or more.
    pub budget_min_per_second: f64,
    /// The HTTP statuses that are tried again: a list of numbers from 100 to 599.
    pub retryable_status_codes: Vec<u16>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_retries: 3,
            backoff_base_seconds: 1.0,
            max_wait_seconds: 60.0,
            budget_ratio: 0.2,
            budget_min_per_second: 10.0,
            retryable_status_codes: vec![429, 500, 502, 503, 529],
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let seconds =
            [("backoff_base_seconds", self.backoff_base_seconds), ("max_wait_seconds", self.max_wait_seconds)];
        let seconds = seconds
            .into_iter()
            .filter(|(_, value)| !(value.is_finite() && *value > 0.0))
            .map(|(key, value)| ConfigError::new(key, format!("is {value}"), "a number of seconds above zero"));
        let amounts = [("budget_ratio", self.budget_ratio), ("budget_min_per_second", self.budget_min_per_second)];
        let amounts = amounts
            .into_iter()
            .filter(|(_, value)| !(value.is_finite() && *value >= 0.0))
            .map(|(key, value)| ConfigError::new(key, format!("is {value}"), "a number, zero or more"));
        let statuses = (self.retryable_status_codes.iter().enumerate())
            .filter(|(_, status)| !(100..=599).contains(*status))
            .map(|(at, status)| {
                let key = format!("retryable_status_codes[{at}]");
                ConfigError::new(key, format!("is {status}"), "an HTTP status, from 100 to 599")
            });
        seconds.chain(amounts).chain(statuses).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_will_do() {
        assert!(Settings::default().check().is_empty());
    }

    #[test]
    fn what_will_not_do_is_named() {
        let settings = Settings {
            backoff_base_seconds: 0.0,
            max_wait_seconds: f64::INFINITY,
            budget_ratio: -0.1,
            budget_min_per_second: f64::NAN,
            retryable_status_codes: vec![429, 99],
            ..Settings::default()
        };
        let keys: Vec<_> = settings.check().into_iter().map(|error| error.key).collect();
        let budget = ["budget_ratio", "budget_min_per_second"];
        let all = [&["backoff_base_seconds", "max_wait_seconds"], &budget[..], &["retryable_status_codes[1]"]].concat();
        assert_eq!(keys, all);
    }
}
