//! `[modules.chaos]`.

use arcllm_module::{Config, ConfigError, ErrorKind, HttpStatus, ProviderName, Seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What goes wrong; nothing if it is not set: the name of a fault, such as "error" or "trap".
    pub fault: Option<Fault>,
    /// The share of the calls that the fault hits, drawn call by call: a number from 0 to 1.
    pub share: f64,
    /// The provider whose calls alone are hit; any if it is not set: the name of a provider.
    pub provider: Option<ProviderName>,
    /// Whether the fault comes before or after the inner is asked: "before" or "after".
    pub when: When,
    /// The error of the fault `error`: a kind of error, such as "api" or "timeout".
    pub error: ErrorKind,
    /// The HTTP status of an `api` error: a number from 100 to 599.
    pub status: HttpStatus,
    /// How long an `api` error asks to wait, in seconds; it does not ask if this is not set: a number above zero.
    pub retry_after_seconds: Option<Seconds>,
    /// How long the fault `delay` waits, in seconds: a number above zero.
    #[schemars(extend("format" = "arcllm-wait-seconds"))]
    pub delay_seconds: Seconds,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The module traps.
    Trap,
    /// It computes forever.
    Spin,
    /// It takes memory without end.
    Allocate,
    /// It calls itself without end.
    Recurse,
    /// It never answers, and waits for nothing.
    Hang,
    /// It takes handles without end and drops none.
    LeakHandles,
    /// It starts waits without end, and keeps all of them.
    Swarm,
    /// It makes requests without end and keeps them, so that the host keeps them too.
    Hoard,
    /// It writes a hundred thousand log messages, and goes on.
    FloodLog,
    /// It passes more and more data to the host in one call.
    Move,
    /// It answers with an error.
    Error,
    /// It waits, and goes on.
    Delay,
    /// It sleeps on, even after the caller has gone.
    Linger,
    /// It asks its inner again and again, whatever the answer.
    Repeat,
}

/// On which side of asking the inner the fault comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Before the inner is asked, or instead.
    #[default]
    Before,
    /// After the inner has answered or failed.
    After,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fault: None,
            share: 1.0,
            provider: None,
            when: When::Before,
            error: ErrorKind::Api,
            status: HttpStatus::new(503),
            retry_after_seconds: None,
            delay_seconds: Seconds::new(1.0),
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let share = || ConfigError::new("share", format!("is {}", self.share), "a number from 0 to 1");
        (!(0.0..=1.0).contains(&self.share)).then(share).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_nothing_goes_wrong() {
        assert!(Settings::default().check().is_empty());
        assert_eq!(Settings::default().fault, None);
    }

    #[test]
    fn a_share_is_from_zero_to_one() {
        for (share, errors) in [(0.0, 0), (1.0, 0), (1.1, 1), (-0.1, 1), (f64::NAN, 1)] {
            assert_eq!(Settings { share, ..Settings::default() }.check().len(), errors, "{share}");
        }
    }
}
