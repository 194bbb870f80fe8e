//! Adds tokens.

use arcllm_module::types::Usage;

/// Adds the tokens of two answers. What else a provider counts is that of the second.
pub fn add(one: &Usage, other: &Usage) -> Usage {
    let both = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (None, None) => None,
        (one, other) => Some(one.unwrap_or_default().saturating_add(other.unwrap_or_default())),
    };
    Usage {
        input_tokens: one.input_tokens.saturating_add(other.input_tokens),
        output_tokens: one.output_tokens.saturating_add(other.output_tokens),
        total_tokens: one.total_tokens.saturating_add(other.total_tokens),
        cache_read_tokens: both(one.cache_read_tokens, other.cache_read_tokens),
        cache_write_tokens: both(one.cache_write_tokens, other.cache_write_tokens),
        cache_write_hour_tokens: both(one.cache_write_hour_tokens, other.cache_write_hour_tokens),
        reasoning_tokens: both(one.reasoning_tokens, other.reasoning_tokens),
        extensions: other.extensions.clone(),
    }
}
