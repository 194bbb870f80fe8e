//! `[modules.circuit-breaker]`.

use arcllm_module::{Config, ConfigError};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// After how many failures in a row a provider is not asked any more: a whole number above zero.
    pub failures: u32,
    /// How far apart in time failures in a row may be, in seconds: a number above zero.
    pub window_seconds: f64,
    /// For how long a provider is not asked, in seconds: a number above zero.
    pub open_seconds: f64,
    /// How many calls at once look whether it is back: a whole number above zero.
    pub probes: u32,
    /// The HTTP statuses that are failures: a list of numbers from 100 to 599.
    pub failure_status_codes: Vec<u16>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures: 5,
            window_seconds: 60.0,
            open_seconds: 30.0,
            probes: 1,
            failure_status_codes: vec![500, 502, 503, 504, 529],
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let counts = [("failures", self.failures), ("probes", self.probes)];
        let counts = counts.into_iter().filter(|(_, count)| *count == 0);
        let counts = counts.map(|(key, _)| ConfigError::new(key, "is 0", "a whole number above zero"));
        let seconds = [("window_seconds", self.window_seconds), ("open_seconds", self.open_seconds)];
        let seconds = seconds
            .into_iter()
            .filter(|(_, value)| !(value.is_finite() && *value > 0.0))
            .map(|(key, value)| ConfigError::new(key, format!("is {value}"), "a number of seconds above zero"));
        let statuses = (self.failure_status_codes.iter().enumerate())
            .filter(|(_, status)| !(100..=599).contains(*status))
            .map(|(at, status)| {
                let key = format!("failure_status_codes[{at}]");
                ConfigError::new(key, format!("is {status}"), "an HTTP status, from 100 to 599")
            });
        counts.chain(seconds).chain(statuses).collect()
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
            failures: 0,
            window_seconds: 0.0,
            open_seconds: f64::INFINITY,
            probes: 0,
            failure_status_codes: vec![503, 99],
        };
        let keys: Vec<_> = settings.check().into_iter().map(|error| error.key).collect();
        assert_eq!(keys, ["failures", "probes", "window_seconds", "open_seconds", "failure_status_codes[1]"]);
    }
}
