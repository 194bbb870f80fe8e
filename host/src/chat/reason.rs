//! What an error of a provider means.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an error of a provider means, in one word for all providers. It follows from the status and from the provider's own
/// words.
///
/// ```
/// use arcllm::{ApiError, ErrorReason};
///
/// assert_eq!(ApiError::new(429, "slow down").reason, ErrorReason::RateLimit);
/// assert_eq!(ErrorReason::RateLimit.as_str(), "rate_limit");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorReason {
    /// Too many requests or tokens in a time. Waiting helps.
    RateLimit,
    /// The credit of the account is used up. Only money helps.
    Quota,
    /// The provider has more work than it can do. Waiting helps.
    Overloaded,
    /// The conversation does not fit into the model.
    ContextLength,
    /// A filter of the provider refused the content.
    ContentFilter,
    /// The key is missing or wrong.
    Authentication,
    /// The key does not allow it.
    Permission,
    /// There is no such model or address.
    NotFound,
    /// The provider does not accept the request.
    InvalidRequest,
    /// The account is not paid for.
    Billing,
    /// The provider failed.
    Server,
    /// Something else, in a word such as `other`.
    Other(String),
}

impl ErrorReason {
    /// The word for it in JSON.
    pub fn as_str(&self) -> &str {
        match self {
            ErrorReason::RateLimit => "rate_limit",
            ErrorReason::Quota => "quota",
            ErrorReason::Overloaded => "overloaded",
            ErrorReason::ContextLength => "context_length",
            ErrorReason::ContentFilter => "content_filter",
            ErrorReason::Authentication => "authentication",
            ErrorReason::Permission => "permission",
            ErrorReason::NotFound => "not_found",
            ErrorReason::InvalidRequest => "invalid_request",
            ErrorReason::Billing => "billing",
            ErrorReason::Server => "server",
            ErrorReason::Other(word) => word,
        }
    }

    /// What an HTTP status alone says.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 => ErrorReason::Authentication,
            402 => ErrorReason::Billing,
            403 => ErrorReason::Permission,
            404 | 405 | 410 | 501 => ErrorReason::NotFound,
            413 => ErrorReason::ContextLength,
            429 => ErrorReason::RateLimit,
            503 | 529 => ErrorReason::Overloaded,
            408 | 409 | 425 => ErrorReason::Other("other".to_owned()),
            400..=499 => ErrorReason::InvalidRequest,
            500..=599 => ErrorReason::Server,
            _ => ErrorReason::Other("other".to_owned()),
        }
    }
}

impl From<&str> for ErrorReason {
    fn from(word: &str) -> Self {
        match word {
            "rate_limit" => ErrorReason::RateLimit,
            "quota" => ErrorReason::Quota,
            "overloaded" => ErrorReason::Overloaded,
            "context_length" => ErrorReason::ContextLength,
            "content_filter" => ErrorReason::ContentFilter,
            "authentication" => ErrorReason::Authentication,
            "permission" => ErrorReason::Permission,
            "not_found" => ErrorReason::NotFound,
            "invalid_request" => ErrorReason::InvalidRequest,
            "billing" => ErrorReason::Billing,
            "server" => ErrorReason::Server,
            other => ErrorReason::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for ErrorReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for ErrorReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|word| ErrorReason::from(word.as_str()))
    }
}
