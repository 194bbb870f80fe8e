//! What went wrong: with the provider's status, or without one.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use crate::chat::{allowance::Allowances, content::ContentBlock, extensions::Extensions, reason::ErrorReason};

/// The provider answered with an error.
///
/// ```
/// use arcllm::{ApiError, ErrorKind};
///
/// let error = ErrorKind::Api(ApiError::new(429, "slow down").with_provider("openai"));
/// assert_eq!(error.to_string(), "openai answered 429: slow down");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// What it means, in one word for all providers.
    pub reason: ErrorReason,
    /// The provider's message, or an excerpt of the body.
    pub message: String,
    /// The provider that answered.
    pub provider: String,
    /// The model that was asked for.
    pub model: String,
    /// The provider's name for this request, for its support.
    pub request_id: Option<String>,
    /// How long to wait before the next request, as the server says.
    pub retry_after: Option<Duration>,
    /// The server's `x-should-retry`.
    pub should_retry: Option<bool>,
    /// Further data that came with it. `arcllm.refused-by` names a module that refused the call, so that the provider was not
    /// asked.
    pub extensions: Extensions,
    /// What the provider says that is left of its limits. The trail shows it.
    pub(crate) allowances: Box<Allowances>,
}

/// The extension of a `parse` error whose answer is no answer at all: an empty body, a page, text that is no JSON.
pub(crate) const NO_ANSWER: &str = "arcllm.no-answer";

/// The extension of a module's failure: its cause, without what the module itself wrote, which may repeat what was said.
pub(crate) const CAUSE: &str = "arcllm.cause";

/// The extension of an error that ended a whole answer: what was said before. The caller finds it in
/// [`received`](crate::chat::error::Error::received).
const RECEIVED: &str = "arcllm.received";

/// The extension of an error for which the provider was not asked.
const REFUSED_BY: &str = "arcllm.refused-by";

impl ApiError {
    /// The error with what was said before it.
    pub(crate) fn with_received(mut self, received: &[ContentBlock]) -> Self {
        if !received.is_empty() {
            self.extensions.insert(RECEIVED.to_owned(), json!(received));
        }
        self
    }

    /// Takes what was said before it.
    pub(crate) fn take_received(&mut self) -> Vec<ContentBlock> {
        match self.extensions.remove(RECEIVED) {
            // From a module: JSON that is too large for it stays text.
            Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or_default(),
            Some(received) => serde_json::from_value(received).unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// An error of this HTTP status, with the reason that follows from the status. Set what else is known in its fields.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            reason: ErrorReason::of_status(status),
            message: message.into(),
            provider: String::new(),
            model: String::new(),
            request_id: None,
            retry_after: None,
            should_retry: None,
            extensions: Extensions::new(),
            allowances: Box::default(),
        }
    }

    /// Names the provider that answered.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = provider.into();
        self
    }

    /// Names the model that was asked for.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = model.into();
        self
    }

    /// Says what it means.
    #[must_use]
    pub fn with_reason(mut self, reason: ErrorReason) -> Self {
        self.reason = reason;
        self
    }

    /// Says how long to wait before the next request.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }
}

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

/// What went wrong where there is no HTTP status.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Failure {
    /// What happened, for a person.
    pub message: String,
    /// The provider it happened with, if any.
    pub provider: Option<String>,
    /// Further data about it.
    pub extensions: Extensions,
}

impl Failure {
    /// A failure with this provider; with none if the name is empty.
    pub fn new(provider: impl Into<String>, message: impl Into<String>) -> Self {
        let provider = Some(provider.into()).filter(|provider| !provider.is_empty());
        Self { message: message.into(), provider, extensions: Extensions::new() }
    }

    /// Adds something else that is known of it.
    #[must_use]
    pub fn with_extension(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extensions.insert(key.into(), value.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            None => write!(formatter, "{}", self.message),
            Some(provider) => write!(formatter, "{provider}: {}", self.message),
        }
    }
}
