//! Writes the tokens of an answer.

use arcllm::{Response, Usage};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;

use crate::client::{messages::block::others, responses::usage::is_anthropics};

/// The tokens of an answer as JSON.
pub(crate) struct UsageJson<'a> {
    usage: &'a Usage,
    /// The input without what the cache has read and written: this format counts them apart.
    input_tokens: u64,
}

impl<'a> UsageJson<'a> {
    /// What a provider of this format has counted so far.
    pub(crate) fn so_far(usage: &'a Usage) -> Self {
        Self { usage, input_tokens: usage.input_tokens }
    }

    /// What an answer costs. OpenAI's formats count cached tokens in.
    pub(crate) fn of(response: &'a Response) -> Self {
        let usage = &response.usage;
        let cached =
            usage.cache_read_tokens.unwrap_or_default().saturating_add(usage.cache_write_tokens.unwrap_or_default());
        let is_apart = is_anthropics(response) || cached > usage.input_tokens;
        let cached = if is_apart { 0 } else { cached };
        Self { usage, input_tokens: usage.input_tokens.saturating_sub(cached) }
    }
}

impl Serialize for UsageJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let usage = self.usage;
        let written = usage.cache_write_tokens.unwrap_or_default();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("input_tokens", &self.input_tokens)?;
        map.serialize_entry("cache_creation_input_tokens", &written)?;
        map.serialize_entry("cache_read_input_tokens", &usage.cache_read_tokens.unwrap_or_default())?;
        if let Some(hour) = usage.cache_write_hour_tokens {
            let times = json!({
                "ephemeral_5m_input_tokens": written.saturating_sub(hour), "ephemeral_1h_input_tokens": hour,
            });
            map.serialize_entry("cache_creation", &times)?;
        }
        map.serialize_entry("output_tokens", &usage.output_tokens)?;
        if let Some(thought) = usage.reasoning_tokens {
            map.serialize_entry("output_tokens_details", &json!({"thinking_tokens": thought}))?;
        }
        const WRITTEN: [&str; 6] = [
            "input_tokens",
            "output_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "cache_creation",
            "output_tokens_details",
        ];
        others(&mut map, &usage.extensions, &WRITTEN)?;
        map.end()
    }
}
