//! Errors: their kinds, and how a module makes its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Request,
    types::{ApiError, Failure, Reason},
};

/// The kind of an error. `serde` writes and reads it as the word that the command's JSON has for it: `api`, `connection`,
/// `timeout`, `parse`, `config`, `module`, `cancelled`, `deadline_exceeded` or `other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The provider answered with an error.
    Api,
    /// There was no connection, or it broke.
    Connection,
    /// Nothing came within a time limit.
    Timeout,
    /// The answer cannot be read.
    Parse,
    /// The configuration does not allow the call.
    Config,
    /// A module failed.
    Module,
    /// The caller went away.
    Cancelled,
    /// The deadline of the call has passed.
    DeadlineExceeded,
    /// Anything else. The command calls it `module`.
    Other,
}

impl Error {
    /// Returns the kind of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Api(_) => ErrorKind::Api,
            Error::Connection(_) => ErrorKind::Connection,
            Error::Timeout(_) => ErrorKind::Timeout,
            Error::Parse(_) => ErrorKind::Parse,
            Error::Config(_) => ErrorKind::Config,
            Error::Module(_) => ErrorKind::Module,
            Error::Cancelled => ErrorKind::Cancelled,
            Error::DeadlineExceeded => ErrorKind::DeadlineExceeded,
            Error::Other(_) => ErrorKind::Other,
        }
    }

    /// Refuses a call with the error that the provider itself would give, without asking the provider.
    ///
    /// A retry outside of the module waits `retry_after` nanoseconds, a fallback asks another provider. The extension
    /// `arcllm.refused-by` names the module.
    pub fn refused(request: &Request, module: &str, status: u16, retry_after: u64, message: String) -> Self {
        Error::Api(ApiError {
            status,
            reason: Reason::of_status(status),
            message,
            provider: request.provider(),
            model: request.model(),
            request_id: None,
            retry_after: Some(retry_after),
            should_retry: None,
            // A value is JSON text; the name of a module has no character that JSON escapes.
            extensions: vec![("arcllm.refused-by".to_owned(), format!("\"{module}\""))],
        })
    }
}

impl Reason {
    /// Returns what an HTTP status alone says.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 => Reason::Authentication,
            402 => Reason::Billing,
            403 => Reason::Permission,
            404 | 405 | 410 | 501 => Reason::NotFound,
            413 => Reason::ContextLength,
            429 => Reason::RateLimit,
            503 | 529 => Reason::Overloaded,
            408 | 409 | 425 => Reason::Other("other".to_owned()),
            400..=499 => Reason::InvalidRequest,
            500..=599 => Reason::Server,
            _ => Reason::Other("other".to_owned()),
        }
    }

    /// Returns the word that settings and the command's JSON have for it.
    pub fn as_str(&self) -> &str {
        match self {
            Reason::RateLimit => "rate_limit",
            Reason::Quota => "quota",
            Reason::Overloaded => "overloaded",
            Reason::ContextLength => "context_length",
            Reason::ContentFilter => "content_filter",
            Reason::Authentication => "authentication",
            Reason::Permission => "permission",
            Reason::NotFound => "not_found",
            Reason::InvalidRequest => "invalid_request",
            Reason::Billing => "billing",
            Reason::Server => "server",
            Reason::Other(word) => word,
        }
    }
}

/// The extension of a `parse` error whose answer is no answer at all.
const NO_ANSWER: &str = "arcllm.no-answer";

/// Returns whether these extensions say that what came was no answer at all: an empty body, a page, text that is no JSON.
pub fn is_no_answer(extensions: &[(String, String)]) -> bool {
    extensions.iter().any(|(key, value)| key == NO_ANSWER && value == "true")
}

/// The extension of a `parse` error whose answer the caller may read all the same.
const UNREAD: &str = "arcllm.unread";

/// Returns whether these extensions of a `parse` error say that a model has answered, and wrote what nobody but the caller may be able
/// to read, such as the arguments of a tool that are no JSON. The provider is up, and has counted the tokens.
pub fn is_unread(extensions: &[(String, String)]) -> bool {
    extensions.iter().any(|(key, value)| key == UNREAD && value == "true")
}

impl Failure {
    /// Makes a failure that happened with this provider; the name is empty if there is none.
    pub fn new(provider: impl Into<String>, message: impl Into<String>) -> Self {
        Self { message: message.into(), provider: provider.into(), extensions: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_the_word_of_the_command() {
        let failure = || Failure::new("a", "broken");
        for (error, word) in [
            (Error::Connection(failure()), "connection"),
            (Error::Timeout(failure()), "timeout"),
            (Error::Parse(failure()), "parse"),
            (Error::Config(failure()), "config"),
            (Error::Module(failure()), "module"),
            (Error::Cancelled, "cancelled"),
            (Error::DeadlineExceeded, "deadline_exceeded"),
            (Error::Other(failure()), "other"),
        ] {
            let json = serde_json::to_value(error.kind()).unwrap();
            assert_eq!(json, word);
            assert_eq!(serde_json::from_value::<ErrorKind>(json).unwrap(), error.kind());
        }
    }
}
