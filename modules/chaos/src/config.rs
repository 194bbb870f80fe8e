//! `[modules.chaos]`.

use arcllm_module::{Config, ConfigError, ProviderName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What goes wrong; nothing, unless it is set: the name of a fault, such as "error" or "trap".
    pub fault: Option<Fault>,
    /// The share of the calls that it goes wrong with, drawn call by call: a number from 0 to 1.
    pub share: f64,
    /// The provider whose calls alone it goes wrong with; any, unless it is set: the name of a provider.
    pub provider: Option<ProviderName>,
    /// Whether it goes wrong before or after the inner is asked: "before" or "after".
    pub when: When,
    /// What the fault `error` answers: a kind of error, such as "api" or "timeout".
    pub error: ErrorKind,
    /// The HTTP status of an `api` error: a number from 100 to 599.
    pub status: u16,
    /// The hint of an `api` error how long to wait, in seconds; none, unless it is set: a number above zero.
    pub retry_after_seconds: Option<f64>,
    /// How long the fault `delay` waits, in seconds: a number above zero.
    #[schemars(extend("format" = "arcllm-wait-seconds"))]
    pub delay_seconds: f64,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The module traps.
    Trap,
    /// It computes for ever.
    Spin,
    /// It takes memory without end.
    Allocate,
    /// It calls itself without end.
    Recurse,
    /// It never answers, and waits for nothing.
    Hang,
    /// It takes handles without end and drops none.
    LeakHandles,
    /// It begins to wait without end, and waits for none of it.
    Swarm,
    /// It makes requests without end and keeps them, so that the host has to.
    Hoard,
    /// It writes a hundred thousand log messages, and goes on.
    FloodLog,
    /// It moves more and more in one call of the host's.
    Move,
    /// It answers with an error.
    Error,
    /// It waits, and goes on.
    Delay,
    /// It sleeps on, whether or not anybody waits for it.
    Linger,
    /// It asks its inner again and again, whatever comes.
    Repeat,
}

/// On which side of asking the inner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Instead of asking, or before it.
    #[default]
    Before,
    /// When the inner has answered, well or not.
    After,
}

/// A kind of error, by the word that the caller's JSON has for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The provider answered with an error.
    #[default]
    Api,
    /// No connection, or one that broke.
    Connection,
    /// Silence past a limit.
    Timeout,
    /// An answer that cannot be read.
    Parse,
    /// The configuration does not allow the call.
    Config,
    /// A module failed.
    Module,
    /// The caller went away.
    Cancelled,
    /// The deadline has passed.
    DeadlineExceeded,
    /// Anything else, which the caller's JSON calls `module`.
    Other,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fault: None,
            share: 1.0,
            provider: None,
            when: When::Before,
            error: ErrorKind::Api,
            status: 503,
            retry_after_seconds: None,
            delay_seconds: 1.0,
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let share = (!(0.0..=1.0).contains(&self.share))
            .then(|| ConfigError::new("share", format!("is {}", self.share), "a number from 0 to 1"));
        let status = (!(100..=599).contains(&self.status))
            .then(|| ConfigError::new("status", format!("is {}", self.status), "an HTTP status, from 100 to 599"));
        let seconds = [("retry_after_seconds", self.retry_after_seconds), ("delay_seconds", Some(self.delay_seconds))];
        let seconds = seconds
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .filter(|(_, value)| !(value.is_finite() && *value > 0.0))
            .map(|(key, value)| ConfigError::new(key, format!("is {value}"), "a number of seconds above zero"));
        share.into_iter().chain(status).chain(seconds).collect()
    }
}

/// As the WIT has durations. At least one; a cast from `f64` saturates.
pub(crate) fn nanoseconds(seconds: f64) -> u64 {
    ((seconds * 1e9) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_will_do_and_do_nothing() {
        assert!(Settings::default().check().is_empty());
        assert_eq!(Settings::default().fault, None);
    }

    #[test]
    fn what_will_not_do_is_named() {
        let settings = Settings {
            share: 1.1,
            status: 99,
            retry_after_seconds: Some(0.0),
            delay_seconds: f64::INFINITY,
            ..Settings::default()
        };
        let keys: Vec<_> = settings.check().into_iter().map(|error| error.key).collect();
        assert_eq!(keys, ["share", "status", "retry_after_seconds", "delay_seconds"]);
        for share in [-0.1, f64::NAN] {
            assert_eq!(Settings { share, ..Settings::default() }.check().len(), 1, "{share}");
        }
    }

    #[test]
    fn both_ends_of_a_range_will_do() {
        for (share, status) in [(0.0, 100), (1.0, 599)] {
            assert!(Settings { share, status, ..Settings::default() }.check().is_empty());
        }
    }
}
