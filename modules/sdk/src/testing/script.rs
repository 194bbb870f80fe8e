//! What the providers of a world answer, and what they were asked.

use std::time::Duration;

use crate::types::{ApiError, Error, Reason, RequestParts, ResponseParts};

/// The provider at the end of a module's chain.
pub(crate) const INNER: &str = "inner";
/// The model of every provider of a world.
pub(crate) const MODEL: &str = "scripted";

/// What a provider answers in a test.
pub type Answer = Result<ResponseParts, Error>;

/// Answers of a provider.
pub(crate) type Script = Box<dyn FnMut(&RequestParts) -> Answer>;

/// A provider of a world.
pub(crate) struct Provider {
    /// Absent while it runs, because it may borrow the world itself.
    pub(crate) script: Option<Script>,
    /// How many nanoseconds each answer takes, if it is not as long as others take.
    pub(crate) takes: Option<u64>,
}

/// A request that a provider was sent.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The time since the beginning of the world.
    pub at: Duration,
    /// The name of the provider.
    pub provider: String,
    /// The content of the request.
    pub parts: RequestParts,
    /// When the module stopped waiting for the answer, if it did so before the answer came.
    pub cancelled: Option<Duration>,
}

/// Makes an answer of this text.
pub fn text(text: &str) -> ResponseParts {
    ResponseParts::from_text(INNER, MODEL, text)
}

/// Makes an API error of this status, without a hint.
pub fn api(status: u16) -> Error {
    Error::Api(ApiError {
        status,
        reason: Reason::of_status(status),
        message: format!("status {status}"),
        provider: INNER.to_owned(),
        model: MODEL.to_owned(),
        request_id: None,
        retry_after: None,
        should_retry: None,
        extensions: Vec::new(),
    })
}
