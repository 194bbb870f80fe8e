//! The trail: every attempt of one invoke, in order, across retries and fallbacks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chat::{allowance::Allowances, reason::ErrorReason, seconds, usage::Usage};

/// One request sent upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attempt {
    /// The provider that was asked.
    pub provider: String,
    /// The model that was asked for.
    pub model: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status, where the outcome is [`Outcome::Api`].
    pub status: Option<u16>,
    /// What the provider's error means, where the outcome is [`Outcome::Api`].
    #[serde(default)]
    pub reason: Option<ErrorReason>,
    /// How long a module slept before it, since the attempt before.
    #[serde(rename = "waited_seconds", with = "seconds")]
    pub waited: Duration,
    /// How long it took.
    #[serde(rename = "took_seconds", with = "seconds")]
    pub took: Duration,
    /// How long it took until the first event of a streamed answer; absent if there was none, or if the answer was whole.
    #[serde(
        default,
        rename = "first_event_seconds",
        with = "seconds::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub first_event: Option<Duration>,
    /// When it started, after the start of the invoke.
    #[serde(rename = "started_after_seconds", with = "seconds")]
    pub started_after: Duration,
    /// The module that asked; absent if it was the caller.
    pub asked_by: Option<String>,
    /// The module that loaded this provider's model; absent if it was the caller.
    #[serde(default)]
    pub loaded_by: Option<String>,
    /// The module that slept before it; absent if none did.
    pub waited_by: Option<String>,
    /// How long to wait before the next request, as the server says.
    #[serde(rename = "retry_after_seconds", with = "seconds::option")]
    pub retry_after: Option<Duration>,
    /// The server's `x-should-retry`.
    pub should_retry: Option<bool>,
    /// Whether what came was no answer at all, where the outcome is [`Outcome::Parse`]: an empty body, a page, text that
    /// is no JSON. Another attempt may get one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_answer: bool,
    /// The provider's name for this request, for its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The tokens of its answer, also of one that broke off, as far as the provider told them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What these tokens cost, in the currency of the configured prices. Absent if the price or the tokens are unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// What the provider says that is left of its limits.
    #[serde(default, skip_serializing_if = "Allowances::is_empty")]
    pub allowances: Allowances,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Attempt {
    /// An attempt that took no time. Set what else is known in its fields.
    pub fn new(provider: impl Into<String>, model: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
            outcome,
            status: None,
            reason: None,
            waited: Duration::ZERO,
            took: Duration::ZERO,
            first_event: None,
            started_after: Duration::ZERO,
            asked_by: None,
            loaded_by: None,
            waited_by: None,
            retry_after: None,
            should_retry: None,
            no_answer: false,
            request_id: None,
            usage: None,
            cost: None,
            allowances: Allowances::new(),
        }
    }
}

/// How one attempt ended: with an answer, or with an error of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// With an answer.
    Ok,
    /// The provider answered with an error status.
    Api,
    /// The connection could not be made, or broke.
    Connection,
    /// Silence past a limit.
    Timeout,
    /// An answer that is not what the format says.
    Parse,
    /// The request could not be written in the provider's format.
    Config,
    /// The adapter itself failed.
    Module,
    /// The caller went away.
    Cancelled,
    /// The deadline of the invoke cut it short.
    DeadlineExceeded,
}

impl Outcome {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Api => "api",
            Outcome::Connection => "connection",
            Outcome::Timeout => "timeout",
            Outcome::Parse => "parse",
            Outcome::Config => "config",
            Outcome::Module => "module",
            Outcome::Cancelled => "cancelled",
            Outcome::DeadlineExceeded => "deadline_exceeded",
        }
    }
}
