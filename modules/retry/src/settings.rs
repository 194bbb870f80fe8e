//! `[modules.retry]`.

use arcllm_module::{Amount, Config, HttpStatus, Seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often a call is tried again after its first attempt: a whole number, zero or more.
    pub max_retries: u32,
    /// The wait before the first retry, in seconds; each further one waits twice as long: a number above zero.
    pub backoff_base_seconds: Seconds,
    /// The longest wait, in seconds; if a server asks for more, there is no retry: a number above zero.
    #[schemars(extend("format" = "arcllm-wait-seconds"))]
    pub max_wait_seconds: Seconds,
    /// How many retries a call earns, for itself or another: a number, zero or more.
    pub budget_ratio: Amount,
    /// How many retries there may be in a second that no call has earned, over all calls: a number, zero or more.
    pub budget_min_per_second: Amount,
    /// The HTTP statuses that are tried again: a list of numbers from 100 to 599.
    pub retryable_status_codes: Vec<HttpStatus>,
    /// The failures without a status that are tried again: a list of "connection", "timeout" and "parse".
    pub retryable_kinds: Vec<RetryableKind>,
}

/// A failure without a status that another attempt may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryableKind {
    /// There was no connection, or it broke.
    Connection,
    /// Nothing came within a time limit.
    Timeout,
    /// What came was no answer at all: an empty body, a page, text that is no JSON.
    Parse,
}

/// What the SDKs of providers and CDNs mean by "again", besides the five of the PRD. `docs/defaults.md` says where each is from.
const STATUSES: [u16; 15] = [408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530];

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_retries: 3,
            backoff_base_seconds: Seconds::new(1.0),
            max_wait_seconds: Seconds::new(60.0),
            budget_ratio: Amount::new(0.2),
            budget_min_per_second: Amount::new(10.0),
            retryable_status_codes: STATUSES.map(HttpStatus::new).to_vec(),
            retryable_kinds: vec![RetryableKind::Connection, RetryableKind::Timeout, RetryableKind::Parse],
        }
    }
}

impl Config for Settings {}
