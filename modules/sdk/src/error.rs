//! Errors: their kinds, and how a module makes its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Request,
    types::{ApiError, Failure},
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
