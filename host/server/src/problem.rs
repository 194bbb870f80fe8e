//! Why a request has no answer: the status and the words, before a format writes them.

use std::time::Duration;

use arcllm::{ConfigError, Error, ErrorKind, ErrorReason};
use http::StatusCode;

/// The longest time that clients are told to wait, in seconds. Claude Code gives up at once where it is longer.
const LONGEST_WAIT: u64 = 40;

/// Why a request has no answer.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// What to say.
    pub(crate) message: String,
    /// The place in the request that is wrong, such as `messages[0].role`.
    pub(crate) param: Option<String>,
    /// What a provider means by its error.
    pub(crate) reason: Option<ErrorReason>,
    /// When to ask again.
    pub(crate) retry_after: Option<Duration>,
    /// Whether to ask again; `None` leaves it to the client.
    pub(crate) should_retry: Option<bool>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, reason: None, retry_after: None, should_retry: None }
    }

    /// A request that is wrong at this place.
    pub(crate) fn bad_field(param: impl Into<String>, message: impl Into<String>) -> Self {
        let param = param.into();
        let message = format!("{param}: {}", message.into());
        Self { param: Some(param), ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    /// The model that a client named cannot be loaded.
    pub(crate) fn of_load(error: &ConfigError) -> Self {
        Self { should_retry: Some(false), ..Self::new(StatusCode::NOT_FOUND, error.to_string()) }
    }

    /// Whole seconds to wait, at least one, if that helps.
    pub(crate) fn wait_seconds(&self) -> Option<u64> {
        let is_limit = self.status == StatusCode::TOO_MANY_REQUESTS;
        let wait = self.retry_after.or_else(|| is_limit.then_some(Duration::from_secs(1)))?;
        Some((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).clamp(1, LONGEST_WAIT))
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let status = match &error.kind {
            ErrorKind::Api(api) => StatusCode::from_u16(api.status).unwrap_or(StatusCode::BAD_GATEWAY),
            ErrorKind::Connection(_) | ErrorKind::Parse(_) => StatusCode::BAD_GATEWAY,
            ErrorKind::Timeout(_) | ErrorKind::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            ErrorKind::Usage(_) => StatusCode::BAD_REQUEST,
            ErrorKind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut problem = Problem::new(status, error.to_string());
        if let ErrorKind::Api(api) = &error.kind {
            problem.reason = Some(api.reason.clone());
            problem.retry_after = api.retry_after;
            problem.should_retry = api.should_retry;
        }
        problem
    }
}
