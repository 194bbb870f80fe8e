//! `[modules.rate-limit]`.

use std::collections::BTreeMap;

use arcllm_module::{Amount, Config, ConfigError, Count};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many requests a minute go to a provider: a number above zero.
    pub requests_per_minute: f64,
    /// How many may go at once after a pause: a whole number above zero.
    pub burst: Count,
    /// The longest wait for a turn, in seconds; a call that would wait longer fails at once: a number, zero or more.
    #[schemars(extend("format" = "arcllm-wait-seconds"))]
    pub max_wait_seconds: Amount,
    /// The limits of single providers, by their names, where they differ.
    #[schemars(extend("propertyNames" = {"format": "arcllm-provider"}))]
    pub providers: BTreeMap<String, ProviderLimit>,
}

/// `[modules.rate-limit.providers.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderLimit {
    /// How many requests a minute go to this provider: a number above zero.
    pub requests_per_minute: Option<f64>,
    /// How many may go at once after a pause: a whole number above zero.
    pub burst: Option<Count>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            requests_per_minute: 600.0,
            burst: Count::new(10),
            max_wait_seconds: Amount::new(60.0),
            providers: BTreeMap::new(),
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let own = self.providers.iter().filter_map(|(name, limit)| {
            Some((format!("providers.{name}.requests_per_minute"), limit.requests_per_minute?))
        });
        own.chain([("requests_per_minute".to_owned(), self.requests_per_minute)])
            .filter(|(_, rate)| !(rate.is_finite() && *rate > 0.0))
            .map(|(key, rate)| ConfigError::new(key, format!("is {rate}"), "a number of requests above zero"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_right() {
        assert!(Settings::default().check().is_empty());
    }

    #[test]
    fn each_rate_that_is_wrong_is_named() {
        let limit = ProviderLimit { requests_per_minute: Some(-1.0), burst: None };
        let providers = [("a".to_owned(), limit)].into();
        let settings = Settings { requests_per_minute: f64::NAN, providers, ..Settings::default() };
        let keys: Vec<_> = settings.check().into_iter().map(|error| error.key).collect();
        assert_eq!(keys, ["providers.a.requests_per_minute", "requests_per_minute"]);
    }
}
