//! `[modules.fallback]`.

use arcllm_module::{Config, ConfigError, HttpStatus, Listed, types::Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The settings of the module.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The models to ask, in this order; the one that failed is skipped: a list of names, such as "openai" or "openai/gpt-4.1".
    pub chain: Vec<Listed>,
    /// HTTP statuses after which no other model is asked: a list of numbers from 100 to 599.
    pub except_status_codes: Vec<HttpStatus>,
    /// Reasons after which no other model is asked: a list of words, such as "content_filter".
    pub except_reasons: Vec<ReasonWord>,
    /// Whether an answer without text and tool calls is a failure: true or false.
    pub on_empty: bool,
    /// Whether an answer that declines is a failure: true or false.
    pub on_refusal: bool,
    /// Whether an answer that a filter of the provider stopped is a failure: true or false.
    pub on_content_filter: bool,
    /// Whether an answer that was cut at its largest length is a failure: true or false.
    pub on_truncated: bool,
}

/// What an error of a provider means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonWord {
    /// Too many requests or tokens in a time.
    RateLimit,
    /// The credit of the account is used up.
    Quota,
    /// The provider has more work than it can do.
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
    /// Anything else.
    Other,
}

impl From<&Reason> for ReasonWord {
    fn from(reason: &Reason) -> Self {
        match reason {
            Reason::RateLimit => ReasonWord::RateLimit,
            Reason::Quota => ReasonWord::Quota,
            Reason::Overloaded => ReasonWord::Overloaded,
            Reason::ContextLength => ReasonWord::ContextLength,
            Reason::ContentFilter => ReasonWord::ContentFilter,
            Reason::Authentication => ReasonWord::Authentication,
            Reason::Permission => ReasonWord::Permission,
            Reason::NotFound => ReasonWord::NotFound,
            Reason::InvalidRequest => ReasonWord::InvalidRequest,
            Reason::Billing => ReasonWord::Billing,
            Reason::Server => ReasonWord::Server,
            Reason::Other(_) => ReasonWord::Other,
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let empty = || {
            let expected = "a list of names, such as [\"anthropic\", \"openai/gpt-4.1\"]";
            ConfigError::new("chain", "is empty or missing", expected)
        };
        self.chain.is_empty().then(empty).into_iter().collect()
    }
}
