//! Writes the counts of tokens.

use arcllm::Response;
use serde::Serialize;

/// The tokens of an answer, as this format counts them.
#[derive(Debug, Serialize)]
pub(crate) struct Tokens {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Debug, Serialize)]
struct InputDetails {
    cached_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl Tokens {
    /// The tokens of this answer. Anthropic's format counts cached tokens apart, this one counts them in.
    pub(crate) fn of(response: &Response) -> Self {
        let usage = &response.usage;
        let (read, written) = (usage.cache_read_tokens.unwrap_or_default(), usage.cache_write_tokens);
        let cached = read.saturating_add(written.unwrap_or_default());
        let is_apart = is_anthropics(response) || cached > usage.input_tokens;
        let input_tokens = if is_apart { usage.input_tokens.saturating_add(cached) } else { usage.input_tokens };
        Self {
            input_tokens,
            input_tokens_details: InputDetails {
                cached_tokens: read,
                cache_write_tokens: written.filter(|written| *written > 0),
            },
            output_tokens: usage.output_tokens,
            output_tokens_details: OutputDetails { reasoning_tokens: usage.reasoning_tokens.unwrap_or_default() },
            total_tokens: usage.total_tokens.max(input_tokens.saturating_add(usage.output_tokens)),
        }
    }
}

/// Whether the answer is of a provider of Anthropic's format.
pub(crate) fn is_anthropics(response: &Response) -> bool {
    response.extensions.keys().any(|key| key.starts_with("anthropic."))
}
