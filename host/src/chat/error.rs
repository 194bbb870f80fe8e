//! Why there is no answer: one typed error, with the trail of what was tried.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::chat::{
    content::ContentBlock,
    message::Extensions,
    seconds,
    trail::{Attempt, Outcome},
};

/// Why an invoke has no answer, and what was tried.
///
/// Its JSON is the object under `error` that `arcllm invoke --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "ErrorJson", into = "ErrorJson")]
pub struct Error {
    /// What happened.
    pub kind: ErrorKind,
    /// The attempts that were made, in order.
    pub trail: Vec<Attempt>,
    /// What had arrived of a streamed answer that was not whole. A tool call among it is a block of the type
    /// `partial_tool_use` unless it was whole.
    pub received: Vec<ContentBlock>,
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.kind)?;
        match self.trail.len() {
            0 | 1 => Ok(()),
            attempts => write!(formatter, " (the last of {attempts} attempts)"),
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, trail: Vec::new(), received: Vec::new() }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ErrorKind {
    /// The provider answered with an error.
    #[error("{0}")]
    Api(ApiError),
    /// The connection could not be made, or broke: refused, reset, TLS, DNS, a short body.
    #[error("{0}")]
    Connection(Failure),
    /// Silence past a limit.
    #[error("{0}")]
    Timeout(Failure),
    /// A whole answer that is not what the format says.
    #[error("{0}")]
    Parse(Failure),
    /// The configuration does not allow the call; a fallback's target without its key, for one.
    #[error("{0}")]
    Config(Failure),
    /// The request asks for what no request can: an extension that would set what an adapter writes itself. Nothing was
    /// sent.
    #[error("{0}")]
    Usage(Failure),
    /// A module failed.
    #[error("{0}")]
    Module(Failure),
    /// The call was given up by whoever made it.
    #[error("cancelled")]
    Cancelled,
    /// The deadline of the invoke has passed, or cut a limit short.
    #[error("the deadline of the invoke has passed (host.deadline_seconds, or the deadline of this call)")]
    DeadlineExceeded,
    /// An error of a module's own making.
    #[error("{0}")]
    Other(Failure),
}

impl ErrorKind {
    /// The word for it in JSON. An error of a module's own making is a `module` error to the caller.
    pub fn as_str(&self) -> &'static str {
        match self {
            ErrorKind::Api(_) => "api",
            ErrorKind::Connection(_) => "connection",
            ErrorKind::Timeout(_) => "timeout",
            ErrorKind::Parse(_) => "parse",
            ErrorKind::Config(_) => "config",
            ErrorKind::Usage(_) => "usage",
            ErrorKind::Module(_) | ErrorKind::Other(_) => "module",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::DeadlineExceeded => "deadline_exceeded",
        }
    }

    /// The provider it happened with, where there is one.
    pub fn provider(&self) -> Option<&str> {
        let provider = match self {
            ErrorKind::Api(error) => &error.provider,
            ErrorKind::Connection(failure)
            | ErrorKind::Timeout(failure)
            | ErrorKind::Parse(failure)
            | ErrorKind::Config(failure)
            | ErrorKind::Usage(failure)
            | ErrorKind::Module(failure)
            | ErrorKind::Other(failure) => &failure.provider,
            ErrorKind::Cancelled | ErrorKind::DeadlineExceeded => return None,
        };
        Some(provider.as_str()).filter(|provider| !provider.is_empty())
    }

    /// How an attempt that ended with this error is written in the trail.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            ErrorKind::Api(_) => Outcome::Api,
            ErrorKind::Connection(_) => Outcome::Connection,
            ErrorKind::Timeout(_) => Outcome::Timeout,
            ErrorKind::Parse(_) => Outcome::Parse,
            ErrorKind::Config(_) | ErrorKind::Usage(_) => Outcome::Config,
            ErrorKind::Module(_) | ErrorKind::Other(_) => Outcome::Module,
            ErrorKind::Cancelled => Outcome::Cancelled,
            ErrorKind::DeadlineExceeded => Outcome::DeadlineExceeded,
        }
    }
}

/// The provider answered with an error.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// What the provider said: its own message, or an excerpt of the body.
    pub message: String,
    /// The provider that answered.
    pub provider: String,
    /// The model that was asked for.
    pub model: String,
    /// The provider's name for this request, for its support.
    pub request_id: Option<String>,
    /// The server's hint how long to wait.
    pub retry_after: Option<Duration>,
    /// The server's `x-should-retry`.
    pub should_retry: Option<bool>,
    /// Whatever else came with it. `arcllm.refused-by` names the module that answered in the provider's stead, which was
    /// not asked.
    pub extensions: Extensions,
}

/// The extension of an error for which the provider was not asked.
const REFUSED_BY: &str = "arcllm.refused-by";

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.extensions.contains_key(REFUSED_BY) {
            true => write!(formatter, "{} was not asked ({}): {}", self.provider, self.status, self.message)?,
            false => write!(formatter, "{} answered {}: {}", self.provider, self.status, self.message)?,
        }
        match &self.request_id {
            Some(id) => write!(formatter, " (request {id})"),
            None => Ok(()),
        }
    }
}

/// An error without a status.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Failure {
    /// What happened, for a person.
    pub message: String,
    /// The provider it happened with; empty if there is none.
    pub provider: String,
    /// Whatever else is known of it.
    pub extensions: Extensions,
}

impl Failure {
    /// A failure with this provider.
    pub fn new(provider: impl Into<String>, message: impl Into<String>) -> Self {
        Self { message: message.into(), provider: provider.into(), extensions: Extensions::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.provider.as_str() {
            "" => write!(formatter, "{}", self.message),
            provider => write!(formatter, "{provider}: {}", self.message),
        }
    }
}

/// The JSON of an error.
#[derive(Serialize, Deserialize)]
struct ErrorJson {
    kind: String,
    status: Option<u16>,
    message: String,
    provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(with = "seconds::option")]
    retry_after_seconds: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    should_retry: Option<bool>,
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    extensions: Extensions,
    trail: Vec<Attempt>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    received: Vec<ContentBlock>,
}

impl From<Error> for ErrorJson {
    fn from(error: Error) -> Self {
        let kind = error.kind.as_str().to_owned();
        let provider = error.kind.provider().map(str::to_owned);
        let bare = |message: String, extensions: Extensions| ErrorJson {
            kind,
            status: None,
            message,
            provider,
            model: None,
            request_id: None,
            retry_after_seconds: None,
            should_retry: None,
            extensions,
            trail: error.trail,
            received: error.received,
        };
        match error.kind {
            ErrorKind::Api(api) => ErrorJson {
                status: Some(api.status),
                model: Some(api.model),
                request_id: api.request_id,
                retry_after_seconds: api.retry_after,
                should_retry: api.should_retry,
                ..bare(api.message, api.extensions)
            },
            ErrorKind::Connection(failure)
            | ErrorKind::Timeout(failure)
            | ErrorKind::Parse(failure)
            | ErrorKind::Config(failure)
            | ErrorKind::Usage(failure)
            | ErrorKind::Module(failure)
            | ErrorKind::Other(failure) => bare(failure.message, failure.extensions),
            plain @ (ErrorKind::Cancelled | ErrorKind::DeadlineExceeded) => bare(plain.to_string(), Extensions::new()),
        }
    }
}

impl From<ErrorJson> for Error {
    fn from(json: ErrorJson) -> Self {
        let provider = json.provider.unwrap_or_default();
        let failure = Failure { message: json.message, provider, extensions: json.extensions };
        let kind = match json.kind.as_str() {
            "api" => ErrorKind::Api(ApiError {
                status: json.status.unwrap_or_default(),
                message: failure.message,
                provider: failure.provider,
                model: json.model.unwrap_or_default(),
                request_id: json.request_id,
                retry_after: json.retry_after_seconds,
                should_retry: json.should_retry,
                extensions: failure.extensions,
            }),
            "connection" => ErrorKind::Connection(failure),
            "timeout" => ErrorKind::Timeout(failure),
            "parse" => ErrorKind::Parse(failure),
            "config" => ErrorKind::Config(failure),
            "usage" => ErrorKind::Usage(failure),
            "module" => ErrorKind::Module(failure),
            "cancelled" => ErrorKind::Cancelled,
            "deadline_exceeded" => ErrorKind::DeadlineExceeded,
            _ => ErrorKind::Other(failure),
        };
        Error { kind, trail: json.trail, received: json.received }
    }
}
