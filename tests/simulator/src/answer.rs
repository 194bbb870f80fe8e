//! A good answer, independent of the format.

use serde::Deserialize;
use serde_json::Value;

/// The text of an answer, unless the script sets it.
const DEFAULT_TEXT: &str = "Hello from the simulator.";

/// A tool that the answer asks the client to call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// The call's id. `None`: `call_1`, `call_2` and so on within the answer.
    pub id: Option<String>,
    /// The tool's name.
    pub name: String,
    /// The arguments, usually an object. A string is sent to OpenAI clients as it stands, so it need not be JSON.
    pub arguments: Value,
}

/// Token counts. They go into the wire's fields as they are: OpenAI's `prompt_tokens` is `input_tokens`, whatever the
/// cache's share. Only Anthropic's `ephemeral_5m_input_tokens` is what is left of `cache_write_tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens taken from the provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens put into the provider's cache. OpenAI's format has `cache_write_tokens` only if there are some.
    pub cache_write_tokens: u64,
    /// Those of `cache_write_tokens` that the cache keeps for an hour. OpenAI's format has no field for it.
    pub cache_write_hour_tokens: u64,
    /// Tokens spent on thinking. Anthropic's format has `thinking_tokens` only if there are some.
    pub reasoning_tokens: u64,
}

/// A good answer. What is `None` or empty gets a default when it is rendered.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Answer {
    pub(crate) text: Option<String>,
    pub(crate) thinking: Option<String>,
    pub(crate) signature: Option<String>,
    pub(crate) tool_calls: Vec<ToolCall>,
    pub(crate) stop_reason: Option<String>,
    pub(crate) usage: Option<Usage>,
    pub(crate) model: Option<String>,
}

impl Answer {
    /// The text to send. An answer with tool calls needs none.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.text {
            Some(text) => Some(text),
            None if self.tool_calls.is_empty() => Some(DEFAULT_TEXT),
            None => None,
        }
    }

    /// Why the answer ends, in Anthropic's words.
    pub(crate) fn stop_reason(&self) -> &str {
        match &self.stop_reason {
            Some(reason) => reason,
            None if self.tool_calls.is_empty() => "end_turn",
            None => "tool_use",
        }
    }

    /// The answer whose thinking left no tokens for anything else.
    pub(crate) fn without_content(&self) -> Answer {
        Answer {
            text: Some(String::new()),
            tool_calls: Vec::new(),
            stop_reason: Some(self.stop_reason.clone().unwrap_or_else(|| "max_tokens".to_owned())),
            ..self.clone()
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage.unwrap_or(Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() })
    }

    /// The tool calls, each with its id.
    pub(crate) fn tool_calls(&self) -> impl Iterator<Item = (String, &ToolCall)> {
        self.tool_calls.iter().zip(1_u32..).map(|(call, count)| {
            let id = call.id.clone().unwrap_or_else(|| format!("call_{count}"));
            (id, call)
        })
    }
}
