//! Why there is no answer: one typed error, with the trail of what was tried.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{
    allowance::Allowances,
    config_error::ConfigError,
    content::ContentBlock,
    extensions::Extensions,
    failure::{ApiError, Failure},
    note::Note,
    reason::ErrorReason,
    seconds,
    trail::{Attempt, Outcome},
};

/// Why an invoke has no answer, and what was tried.
///
/// Its JSON is the object under `error` that `arcllm invoke --json` prints.
///
/// ```
/// # async fn ask(model: arcllm::Model) {
/// use arcllm::{ErrorKind, Message};
///
/// if let Err(error) = model.invoke(&[Message::user("Hi")], &[]).await {
///     match &error.kind {
///         ErrorKind::Api(api) if api.status == 401 => eprintln!("{} refuses the key", api.provider),
///         ErrorKind::Config(config) => eprintln!("{:?}, line {:?}: {config}", config.file, config.line),
///         _ => eprintln!("{error}"),
///     }
///     eprintln!("{} requests were sent", error.trail.len());
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "ErrorJson", into = "ErrorJson")]
#[non_exhaustive]
pub struct Error {
    /// What happened.
    pub kind: ErrorKind,
    /// The attempts that were made, in order.
    pub trail: Vec<Attempt>,
    /// What modules remarked on the way, in order.
    pub notes: Vec<Note>,
    /// What had arrived of a streamed answer that broke off, or of an answer that an error ended. A tool call that is incomplete is a block of the type
    /// `partial_tool_use`.
    pub received: Vec<ContentBlock>,
}

impl std::error::Error for Error {
    /// The [`ConfigError`] of a [`Config`](ErrorKind::Config) error. Other kinds have no source: their text says all that
    /// is known, without the secrets that an error of the network may hold.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind.source()
    }
}

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
        Self { kind, trail: Vec::new(), notes: Vec::new(), received: Vec::new() }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        ErrorKind::from(error).into()
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The provider answered with an error.
    Api(ApiError),
    /// The connection could not be made, or broke: refused, reset, TLS, DNS, a short body.
    Connection(Failure),
    /// Silence past a limit.
    Timeout(Failure),
    /// A whole answer that is not what the format says.
    Parse(Failure),
    /// The configuration does not allow the call; the key of a fallback's target is missing, for example.
    Config(Box<ConfigError>),
    /// The request is wrong: an extension sets what an adapter writes itself, or a tool result is missing. Nothing was
    /// sent.
    Usage(Failure),
    /// A module failed.
    Module(Failure),
    /// The caller gave up the call.
    Cancelled,
    /// The deadline of the invoke has passed, or cut a limit short.
    DeadlineExceeded,
    /// An error of a module's own making.
    Other(Failure),
}

/// The limits of modules that are reached when too many calls run at once.
const NO_ROOM: [&str; 3] = ["max_queued", "instances of the process", "modules_memory_mb"];

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

    /// Whether a module had no room for the call. It may have some in a moment.
    pub fn is_overload(&self) -> bool {
        let ErrorKind::Module(failure) = self else { return false };
        failure.extensions.get("limit").and_then(Value::as_str).is_some_and(|limit| NO_ROOM.contains(&limit))
    }

    /// The provider it happened with, if any.
    pub fn provider(&self) -> Option<&str> {
        match self {
            ErrorKind::Api(error) => Some(error.provider.as_str()).filter(|provider| !provider.is_empty()),
            ErrorKind::Config(error) => error.provider.as_deref(),
            ErrorKind::Connection(failure)
            | ErrorKind::Timeout(failure)
            | ErrorKind::Parse(failure)
            | ErrorKind::Usage(failure)
            | ErrorKind::Module(failure)
            | ErrorKind::Other(failure) => failure.provider.as_deref(),
            ErrorKind::Cancelled | ErrorKind::DeadlineExceeded => None,
        }
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

impl std::error::Error for ErrorKind {
    /// The [`ConfigError`] of a [`Config`](ErrorKind::Config) error.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ErrorKind::Config(error) => Some(&**error),
            _ => None,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::Api(error) => error.fmt(formatter),
            ErrorKind::Config(error) => match &error.provider {
                Some(provider) => write!(formatter, "{provider}: {error}"),
                None => error.fmt(formatter),
            },
            ErrorKind::Connection(failure)
            | ErrorKind::Timeout(failure)
            | ErrorKind::Parse(failure)
            | ErrorKind::Usage(failure)
            | ErrorKind::Module(failure)
            | ErrorKind::Other(failure) => failure.fmt(formatter),
            ErrorKind::Cancelled => formatter.write_str("cancelled"),
            ErrorKind::DeadlineExceeded => formatter.write_str(
                "the deadline of the invoke has passed (host.deadline_seconds, or the deadline of this call)",
            ),
        }
    }
}

impl From<ConfigError> for ErrorKind {
    fn from(error: ConfigError) -> Self {
        ErrorKind::Config(Box::new(error))
    }
}

/// The JSON of an error.
#[derive(Serialize, Deserialize)]
struct ErrorJson {
    kind: String,
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<ErrorReason>,
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
    #[serde(default)]
    notes: Vec<Note>,
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
            reason: None,
            message,
            provider,
            model: None,
            request_id: None,
            retry_after_seconds: None,
            should_retry: None,
            extensions,
            trail: error.trail,
            notes: error.notes,
            received: error.received,
        };
        match error.kind {
            ErrorKind::Api(api) => ErrorJson {
                status: Some(api.status),
                reason: Some(api.reason),
                model: Some(api.model),
                request_id: api.request_id,
                retry_after_seconds: api.retry_after,
                should_retry: api.should_retry,
                ..bare(api.message, api.extensions)
            },
            ErrorKind::Config(error) => bare(error.to_string(), error.extensions),
            ErrorKind::Connection(failure)
            | ErrorKind::Timeout(failure)
            | ErrorKind::Parse(failure)
            | ErrorKind::Usage(failure)
            | ErrorKind::Module(failure)
            | ErrorKind::Other(failure) => bare(failure.message, failure.extensions),
            plain @ (ErrorKind::Cancelled | ErrorKind::DeadlineExceeded) => bare(plain.to_string(), Extensions::new()),
        }
    }
}

impl From<ErrorJson> for Error {
    fn from(json: ErrorJson) -> Self {
        let failure = Failure {
            message: json.message,
            provider: json.provider.filter(|provider| !provider.is_empty()),
            extensions: json.extensions,
        };
        let kind = match json.kind.as_str() {
            "api" => ErrorKind::Api(ApiError {
                status: json.status.unwrap_or_default(),
                reason: json.reason.unwrap_or_else(|| ErrorReason::of_status(json.status.unwrap_or_default())),
                message: failure.message,
                provider: failure.provider.unwrap_or_default(),
                model: json.model.unwrap_or_default(),
                request_id: json.request_id,
                retry_after: json.retry_after_seconds,
                should_retry: json.should_retry,
                extensions: failure.extensions,
                allowances: Allowances::new(),
            }),
            "connection" => ErrorKind::Connection(failure),
            "timeout" => ErrorKind::Timeout(failure),
            "parse" => ErrorKind::Parse(failure),
            "config" => ErrorKind::Config(Box::new(failure.into())),
            "usage" => ErrorKind::Usage(failure),
            "module" => ErrorKind::Module(failure),
            "cancelled" => ErrorKind::Cancelled,
            "deadline_exceeded" => ErrorKind::DeadlineExceeded,
            _ => ErrorKind::Other(failure),
        };
        Error { kind, trail: json.trail, notes: json.notes, received: json.received }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_error_keeps_its_place_and_is_the_source() {
        fn load() -> Result<(), ConfigError> {
            let place = ConfigError::new("is not a setting").file("config.toml").key("host.max_attempt");
            Err(ConfigError { line: Some(3), ..place }.help("did you mean `max_attempts`?"))
        }
        fn ask() -> Result<(), Error> {
            load()?;
            Ok(())
        }
        let error = ask().unwrap_err();
        let source = error.source().unwrap().downcast_ref::<ConfigError>().unwrap();
        assert_eq!(source, &load().unwrap_err());
        assert_eq!(error.to_string(), load().unwrap_err().to_string());
        let told = serde_json::to_value(&error).unwrap();
        assert_eq!((&told["kind"], &told["provider"]), (&json!("config"), &json!(null)));
        assert_eq!(told["message"], source.to_string());
        let of_a_call = Error::from(ConfigError::new("has no key").provider("groq"));
        assert_eq!(of_a_call.to_string(), "groq: has no key");
        assert_eq!(serde_json::from_value::<Error>(serde_json::to_value(&of_a_call).unwrap()).unwrap(), of_a_call);
    }

    #[test]
    fn other_kinds_have_no_source() {
        assert!(Error::from(ErrorKind::Api(ApiError::new(500, "no"))).source().is_none());
        assert!(Error::from(ErrorKind::Timeout(Failure::new("", "late"))).source().is_none());
    }
}
