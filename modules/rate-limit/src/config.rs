//! `[modules.rate-limit]`.

use std::collections::BTreeMap;

use arcllm_module::{Config, ConfigError};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many requests a minute go to a provider: a number above zero.
    pub requests_per_minute: f64,
    /// How many may go at once after a pause: a whole number above zero.
    pub burst: u32,
    /// The longest wait for a place, in seconds; a call that would wait longer fails at once: zero or more.
    #[schemars(extend("format" = "arcllm-wait-seconds"))]
    pub max_wait_seconds: f64,
    /// The limits of single providers, by their names, where they differ.
    #[schemars(extend("propertyNames" = {"format": "arcllm-provider"}))]
    pub providers: BTreeMap<String, ProviderLimit>,
}

/// `[modules.rate-limit.providers.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderLimit {
    /// As for all.
    pub requests_per_minute: Option<f64>,
    /// As for all.
    pub burst: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { requests_per_minute: 600.0, burst: 10, max_wait_seconds: 60.0, providers: BTreeMap::new() }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let own = |name: &String, key: &str| format!("providers.{name}.{key}");
        let each = self.providers.iter();
        let rates = each
            .clone()
            .filter_map(|(name, limit)| Some((own(name, "requests_per_minute"), limit.requests_per_minute?)));
        let rates = rates.chain([("requests_per_minute".to_owned(), self.requests_per_minute)]);
        let rates = rates
            .filter(|(_, rate)| !(rate.is_finite() && *rate > 0.0))
            .map(|(key, rate)| ConfigError::new(key, format!("is {rate}"), "a number of requests above zero"));
        let bursts = each.filter_map(|(name, limit)| Some((own(name, "burst"), limit.burst?)));
        let bursts = bursts
            .chain([("burst".to_owned(), self.burst)])
            .filter(|(_, burst)| *burst == 0)
            .map(|(key, _)| ConfigError::new(key, "is 0", "a whole number above zero"));
        let wait = (!(self.max_wait_seconds.is_finite() && self.max_wait_seconds >= 0.0)).then(|| {
            let message = format!("is {}", self.max_wait_seconds);
            ConfigError::new("max_wait_seconds", message, "a number of seconds, zero or more")
        });
        rates.chain(bursts).chain(wait).collect()
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
        let limit = ProviderLimit { requests_per_minute: Some(-1.0), burst: Some(0) };
        let settings = Settings {
            requests_per_minute: f64::NAN,
            burst: 0,
            max_wait_seconds: -1.0,
            providers: [("a".to_owned(), limit)].into(),
        };
        let keys: Vec<_> = settings.check().into_iter().map(|error| error.key).collect();
        let own = ["providers.a.requests_per_minute", "requests_per_minute", "providers.a.burst", "burst"];
        assert_eq!(keys, [&own[..], &["max_wait_seconds"]].concat());
    }
}
