//! Errors.

use std::time::Duration;

use serde_json::Value;

use crate::{
    chat::{
        allowance::Allowances,
        config_error::ConfigError,
        error::ErrorKind,
        extensions::Extensions,
        failure::{ApiError, Failure},
        plain::{self, MESSAGE, WORD},
        reason::ErrorReason,
        seconds::nanoseconds,
    },
    runtime::{
        guest::{bindings::arcllm::llm::types as wit, convert::json::extensions_out},
        limits::weight::weight_of_extensions,
    },
};

/// The extension that tells a usage error from an error of the configuration.
const USAGE: &str = "arcllm.usage";

/// The most memory for the JSON in an error, in bytes. It counts against no module's limit.
const LARGEST: usize = 1 << 20;

/// JSON that would take more stays text.
fn extensions_in(extensions: wit::Extensions) -> Extensions {
    match weight_of_extensions(&extensions) {
        ..=LARGEST => crate::runtime::guest::convert::json::extensions_in(extensions),
        _ => extensions.into_iter().map(|(key, value)| (key, Value::String(value))).collect(),
    }
}

fn failure_out(failure: Failure) -> wit::Failure {
    let extensions = extensions_out(&failure.extensions);
    wit::Failure { message: failure.message, provider: failure.provider.unwrap_or_default(), extensions }
}

/// Modules see no path of a file.
fn config_out(error: ConfigError) -> wit::Failure {
    let message = ConfigError { file: None, line: None, ..error.clone() }.to_string();
    let extensions = extensions_out(&error.extensions);
    wit::Failure { message, provider: error.provider.unwrap_or_default(), extensions }
}

fn failure_in(failure: wit::Failure) -> Failure {
    let message = Some(failure.message).filter(|message| !message.trim().is_empty());
    let message = message.map_or_else(|| "no reason was given".to_owned(), |text| self::message(&text));
    let mut told = Failure::new(word(&failure.provider), message);
    told.extensions = extensions_in(failure.extensions);
    told
}

fn message(text: &str) -> String {
    plain::lines(text, MESSAGE).into_owned()
}

fn word(text: &str) -> String {
    plain::line(text, WORD).into_owned()
}

pub(crate) fn reason_out(reason: &ErrorReason) -> wit::Reason {
    match reason {
        ErrorReason::RateLimit => wit::Reason::RateLimit,
        ErrorReason::Quota => wit::Reason::Quota,
        ErrorReason::Overloaded => wit::Reason::Overloaded,
        ErrorReason::ContextLength => wit::Reason::ContextLength,
        ErrorReason::ContentFilter => wit::Reason::ContentFilter,
        ErrorReason::Authentication => wit::Reason::Authentication,
        ErrorReason::Permission => wit::Reason::Permission,
        ErrorReason::NotFound => wit::Reason::NotFound,
        ErrorReason::InvalidRequest => wit::Reason::InvalidRequest,
        ErrorReason::Billing => wit::Reason::Billing,
        ErrorReason::Server => wit::Reason::Server,
        ErrorReason::Other(other) => wit::Reason::Other(other.clone()),
    }
}

fn reason_in(reason: wit::Reason) -> ErrorReason {
    match reason {
        wit::Reason::RateLimit => ErrorReason::RateLimit,
        wit::Reason::Quota => ErrorReason::Quota,
        wit::Reason::Overloaded => ErrorReason::Overloaded,
        wit::Reason::ContextLength => ErrorReason::ContextLength,
        wit::Reason::ContentFilter => ErrorReason::ContentFilter,
        wit::Reason::Authentication => ErrorReason::Authentication,
        wit::Reason::Permission => ErrorReason::Permission,
        wit::Reason::NotFound => ErrorReason::NotFound,
        wit::Reason::InvalidRequest => ErrorReason::InvalidRequest,
        wit::Reason::Billing => ErrorReason::Billing,
        wit::Reason::Server => ErrorReason::Server,
        // A known word is the known reason: it reads the same in JSON.
        wit::Reason::Other(other) => ErrorReason::from(&*word(&other)),
    }
}

pub(crate) fn error_out(error: ErrorKind) -> wit::Error {
    match error {
        ErrorKind::Api(api) => wit::Error::Api(wit::ApiError {
            status: api.status,
            reason: reason_out(&api.reason),
            message: api.message,
            provider: api.provider,
            model: api.model,
            request_id: api.request_id,
            retry_after: api.retry_after.map(nanoseconds),
            should_retry: api.should_retry,
            extensions: extensions_out(&api.extensions),
        }),
        ErrorKind::Connection(failure) => wit::Error::Connection(failure_out(failure)),
        ErrorKind::Timeout(failure) => wit::Error::Timeout(failure_out(failure)),
        ErrorKind::Parse(failure) => wit::Error::Parse(failure_out(failure)),
        ErrorKind::Config(error) => wit::Error::Config(config_out(*error)),
        // A module knows no usage errors: it can mend neither the request nor the configuration. The caller gets it as it was.
        ErrorKind::Usage(failure) => wit::Error::Config(failure_out(failure.with_extension(USAGE, true))),
        ErrorKind::Module(failure) => wit::Error::Module(failure_out(failure)),
        ErrorKind::Cancelled => wit::Error::Cancelled,
        ErrorKind::DeadlineExceeded => wit::Error::DeadlineExceeded,
        ErrorKind::Other(failure) => wit::Error::Other(failure_out(failure)),
    }
}

/// Converts an error of a module. Its texts are cleaned, since people read them.
pub(crate) fn error_in(error: wit::Error) -> ErrorKind {
    match error {
        wit::Error::Api(api) => ErrorKind::Api(ApiError {
            status: api.status,
            reason: reason_in(api.reason),
            message: message(&api.message),
            provider: word(&api.provider),
            model: word(&api.model),
            request_id: api.request_id.as_deref().map(word),
            retry_after: api.retry_after.map(Duration::from_nanos),
            should_retry: api.should_retry,
            extensions: extensions_in(api.extensions),
            allowances: Allowances::new(),
        }),
        wit::Error::Connection(failure) => ErrorKind::Connection(failure_in(failure)),
        wit::Error::Timeout(failure) => ErrorKind::Timeout(failure_in(failure)),
        wit::Error::Parse(failure) => ErrorKind::Parse(failure_in(failure)),
        wit::Error::Config(failure) => {
            let mut failure = failure_in(failure);
            match failure.extensions.remove(USAGE) {
                Some(_) => ErrorKind::Usage(failure),
                None => ErrorKind::Config(Box::new(failure.into())),
            }
        }
        wit::Error::Module(failure) => ErrorKind::Module(failure_in(failure)),
        wit::Error::Cancelled => ErrorKind::Cancelled,
        wit::Error::DeadlineExceeded => ErrorKind::DeadlineExceeded,
        wit::Error::Other(failure) => ErrorKind::Other(failure_in(failure)),
    }
}
