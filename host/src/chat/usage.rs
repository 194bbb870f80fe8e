//! The tokens of an answer.

use serde::{Deserialize, Serialize};

use crate::chat::extensions::Extensions;

/// Tokens of one answer, as the provider counts them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// The input. Anthropic's format counts cached tokens apart, OpenAI's counts them in.
    pub input_tokens: u64,
    /// The output, reasoning included.
    pub output_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// Of the input, read from the provider's cache.
    #[serde(default)]
    pub cache_read_tokens: Option<u64>,
    /// Of the input, written to the provider's cache.
    #[serde(default)]
    pub cache_write_tokens: Option<u64>,
    /// Of those, written for an hour, which has another price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_hour_tokens: Option<u64>,
    /// Of the output, spent on reasoning.
    #[serde(default)]
    pub reasoning_tokens: Option<u64>,
    /// Further counts.
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl Usage {
    /// So many tokens in and out. `total_tokens` is their sum.
    pub fn new(input_tokens: u64, output_tokens: u64) -> Self {
        let total_tokens = input_tokens.saturating_add(output_tokens);
        Self { input_tokens, output_tokens, total_tokens, ..Self::default() }
    }
}
