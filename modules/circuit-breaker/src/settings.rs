//! `[modules.circuit-breaker]`.

use arcllm_module::{Config, Count, HttpStatus, Seconds};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// After how many failures in a row a provider is no longer asked: a whole number above zero.
    pub failures: Count,
    /// How far apart in time failures in a row may be, in seconds: a number above zero.
    pub window_seconds: Seconds,
    /// For how long a provider is not asked, in seconds: a number above zero.
    pub open_seconds: Seconds,
    /// How many calls at once look whether it is back: a whole number above zero.
    pub probes: Count,
    /// The HTTP statuses that are failures: a list of numbers from 100 to 599.
    pub failure_status_codes: Vec<HttpStatus>,
}

/// The statuses above 499 that the module retry tries again by default.
const STATUSES: [u16; 11] = [500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530];

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures: Count::new(5),
            window_seconds: Seconds::new(60.0),
            open_seconds: Seconds::new(30.0),
            probes: Count::new(1),
            failure_status_codes: STATUSES.map(HttpStatus::new).to_vec(),
        }
    }
}

impl Config for Settings {}
