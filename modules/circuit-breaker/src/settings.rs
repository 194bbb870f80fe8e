//! `[modules.circuit-breaker]`.

use std::collections::BTreeMap;

use arcllm_module::{Amount, Config, ConfigError, Count, HttpStatus, OnStoreFailure, Seconds};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// After how many failures in a row a provider is no longer asked: a whole number above zero.
    pub failures: Count,
    /// How far apart in time failures in a row may be, and for how long a share is counted, in seconds: a number above zero.
    pub window_seconds: Seconds,
    /// From which share of failures in a window a provider is no longer asked: a number from 0 to 1; 0 counts no share.
    pub failure_share: Amount,
    /// How many calls of a window it takes to judge by the share: a whole number above zero.
    pub min_calls: Count,
    /// For how long a provider is not asked, in seconds: a number above zero.
    pub open_seconds: Seconds,
    /// How many calls at once look whether it is back: a whole number above zero.
    pub probes: Count,
    /// The HTTP statuses that are failures: a list of numbers from 100 to 599.
    pub failure_status_codes: Vec<HttpStatus>,
    /// For how long nobody is asked after one answer of a status, in seconds, by status; 0 is for as long as its retry-after says.
    pub cooldown_seconds: BTreeMap<String, Amount>,
    /// The longest time that a retry-after holds calls back, in seconds: a number above zero.
    pub max_cooldown_seconds: Seconds,
    /// What happens to a call when the store fails: "allow" or "refuse".
    pub on_store_failure: OnStoreFailure,
}

/// The statuses above 499 that the module retry tries again by default.
const STATUSES: [u16; 11] = [500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530];

/// The statuses after which asking again soon is in vain.
const COOLDOWNS: [(u16, f64); 4] = [(401, 300.0), (402, 300.0), (404, 60.0), (429, 0.0)];

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures: Count::new(5),
            window_seconds: Seconds::new(60.0),
            failure_share: Amount::new(0.0),
            min_calls: Count::new(20),
            open_seconds: Seconds::new(30.0),
            probes: Count::new(1),
            failure_status_codes: STATUSES.map(HttpStatus::new).to_vec(),
            cooldown_seconds: COOLDOWNS.map(|(status, seconds)| (status.to_string(), Amount::new(seconds))).into(),
            max_cooldown_seconds: Seconds::new(3600.0),
            on_store_failure: OnStoreFailure::Allow,
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let share = self.failure_share.get();
        let share = (share > 1.0)
            .then(|| ConfigError::new("failure_share", format!("is {share}"), "a number from 0 to 1, such as 0.5"));
        let statuses = self.cooldown_seconds.keys().filter(|status| status_of(status).is_none()).map(|status| {
            let key = format!("cooldown_seconds.{status}");
            ConfigError::new(key, format!("`{status}` is no status"), "an HTTP status from 400 to 599, such as \"429\"")
        });
        share.into_iter().chain(statuses).collect()
    }
}

/// Reads the status of an error.
pub(crate) fn status_of(key: &str) -> Option<u16> {
    key.parse().ok().filter(|status| (400..600).contains(status) && key.len() == 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_right_and_each_wrong_key_is_named() {
        assert!(Settings::default().check().is_empty());
        let cooldown_seconds = ["200", "4x4", "+429", "429"].map(|key| (key.to_owned(), Amount::new(1.0))).into();
        let settings = Settings { failure_share: Amount::new(1.5), cooldown_seconds, ..Settings::default() };
        let keys: Vec<_> = settings.check().into_iter().map(|error| error.key).collect();
        assert_eq!(keys, ["failure_share", "cooldown_seconds.+429", "cooldown_seconds.200", "cooldown_seconds.4x4"]);
    }
}
