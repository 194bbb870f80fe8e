//! `[modules.rate-limit]`.

use std::collections::BTreeMap;

use arcllm_module::{Amount, Config, ConfigError, Count, OnStoreFailure, Seconds};
use schemars::JsonSchema;
use serde::Deserialize;

/// The most labels with limits: a call has a bucket or two of each.
const MOST_LABELS: usize = 16;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many requests a minute go to a provider: a number above zero.
    pub requests_per_minute: f64,
    /// How many may go at once after a pause: a whole number above zero.
    pub burst: Count,
    /// How many tokens a minute go to a provider and come back: a number above zero.
    pub tokens_per_minute: Option<f64>,
    /// How many tokens may go at once after a pause; those of a minute if it is not set: a number above zero.
    pub tokens_burst: Option<f64>,
    /// How many tokens of output to reserve for a call that sets no max_tokens: a number, zero or more.
    pub expected_output_tokens: Amount,
    /// How many calls a provider answers at once: a whole number above zero.
    pub max_in_flight: Option<Count>,
    /// For how long a call without a deadline counts as under way if its process dies, in seconds: a number above zero.
    pub lease_seconds: Seconds,
    /// The longest wait for a turn, in seconds; a call that would wait longer fails at once: a number, zero or more.
    #[schemars(extend("format" = "arcllm-wait-seconds"))]
    pub max_wait_seconds: Amount,
    /// Whether nobody asks a model after a 429 until the time that it names: true or false.
    pub adaptive: bool,
    /// What happens to a call when the store fails: "allow" or "refuse".
    pub on_store_failure: OnStoreFailure,
    /// The limits of single providers, by their names, where they differ.
    #[schemars(extend("propertyNames" = {"format": "arcllm-provider"}))]
    pub providers: BTreeMap<String, Limit>,
    /// Limits of single models, by `provider/model`, or `provider/beginning*` for each model that begins so.
    pub models: BTreeMap<String, Limit>,
    /// Limits of each value of a label, by the name of the label.
    pub labels: BTreeMap<String, Limit>,
}

/// A limit of `providers`, `models` or `labels`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    /// How many requests a minute go: a number above zero.
    pub requests_per_minute: Option<f64>,
    /// How many may go at once after a pause: a whole number above zero.
    pub burst: Option<Count>,
    /// How many tokens a minute go and come back: a number above zero.
    pub tokens_per_minute: Option<f64>,
    /// How many tokens may go at once after a pause; those of a minute if it is not set: a number above zero.
    pub tokens_burst: Option<f64>,
    /// How many calls are answered at once: a whole number above zero.
    pub max_in_flight: Option<Count>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            requests_per_minute: 600.0,
            burst: Count::new(10),
            tokens_per_minute: None,
            tokens_burst: None,
            expected_output_tokens: Amount::new(1000.0),
            max_in_flight: None,
            lease_seconds: Seconds::new(600.0),
            max_wait_seconds: Amount::new(60.0),
            adaptive: false,
            on_store_failure: OnStoreFailure::Allow,
            providers: BTreeMap::new(),
            models: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let tables = [("providers", &self.providers), ("models", &self.models), ("labels", &self.labels)];
        let limits = tables
            .into_iter()
            .flat_map(|(table, limits)| limits.iter().map(move |(name, limit)| (format!("{table}.{name}."), limit)));
        let of_limits = limits.flat_map(|(place, limit)| {
            let of_tokens = [("tokens_per_minute", limit.tokens_per_minute), ("tokens_burst", limit.tokens_burst)];
            let all = [("requests_per_minute", limit.requests_per_minute)].into_iter().chain(of_tokens);
            all.filter_map(move |(key, number)| Some((format!("{place}{key}"), number?))).collect::<Vec<_>>()
        });
        let own = [
            ("requests_per_minute", Some(self.requests_per_minute)),
            ("tokens_per_minute", self.tokens_per_minute),
            ("tokens_burst", self.tokens_burst),
        ];
        let own = own.into_iter().filter_map(|(key, number)| Some((key.to_owned(), number?)));
        let numbers =
            of_limits.chain(own).filter(|(_, number)| !(number.is_finite() && *number > 0.0)).map(|(key, number)| {
                let what = if key.contains("tokens_") { "tokens" } else { "requests" };
                ConfigError::new(key, format!("is {number}"), format!("a number of {what} above zero"))
            });
        let models = self.models.keys().filter(|model| !model.contains('/')).map(|model| {
            let message = "names no provider".to_owned();
            ConfigError::new(format!("models.{model}"), message, "`provider/model`, such as \"openai/gpt-5*\"")
        });
        let stars =
            self.models.keys().filter(|model| model.trim_end_matches('*').contains('*') || model.ends_with("**"));
        let stars = stars.map(|model| {
            let message = "has a `*` that is not its end".to_owned();
            ConfigError::new(format!("models.{model}"), message, "`provider/model`, or `provider/beginning*`")
        });
        let nameless = self
            .labels
            .contains_key("")
            .then(|| ConfigError::new("labels.", "names no label", "the name of a label, such as team".to_owned()));
        let labels = self.labels.len();
        let labels = (labels > MOST_LABELS)
            .then(|| ConfigError::new("labels", format!("has {labels} labels"), format!("at most {MOST_LABELS}")));
        numbers.chain(models).chain(stars).chain(nameless).chain(labels).collect()
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
        let limit = |requests| Limit { requests_per_minute: Some(requests), ..Limit::default() };
        let tokens = Limit { tokens_per_minute: Some(0.0), ..Limit::default() };
        let settings = Settings {
            requests_per_minute: f64::NAN,
            providers: [("a".to_owned(), limit(-1.0))].into(),
            models: ["m", "a/*x", "a/b*", "a/b**"].map(|model| (model.to_owned(), limit(1.0))).into(),
            labels: [("team".to_owned(), tokens), (String::new(), limit(1.0))].into(),
            ..Settings::default()
        };
        let keys: Vec<_> = settings.check().into_iter().map(|error| error.key).collect();
        let expected =
            ["providers.a.requests_per_minute", "labels.team.tokens_per_minute", "requests_per_minute", "models.m"];
        let expected = [&expected[..], &["models.a/*x", "models.a/b**", "labels."]].concat();
        assert_eq!(keys, expected);
    }
}
