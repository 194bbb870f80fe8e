//! Bodies as Anthropic's Messages API sends them.

use serde_json::{Value, json};

use super::Asked;
use crate::answer::{Answer, Usage};

pub(super) fn answer(answer: &Answer, asked: &Asked<'_>) -> Value {
    message(answer, asked, content(answer), Some(answer.stop_reason()), answer.usage())
}

/// The message as a stream begins with it: without content, and with the one token that is written by then.
pub(super) fn begun(answer: &Answer, asked: &Asked<'_>) -> Value {
    message(answer, asked, Vec::new(), None, Usage { output_tokens: 1, reasoning_tokens: 0, ..answer.usage() })
}

fn message(answer: &Answer, asked: &Asked<'_>, content: Vec<Value>, stop_reason: Option<&str>, tokens: Usage) -> Value {
    json!({
        "id": format!("msg_sim{:06}", asked.number),
        "type": "message",
        "role": "assistant",
        "model": asked.model(answer),
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": usage(tokens),
    })
}

/// The blocks, in the order in which models write them.
fn content(answer: &Answer) -> Vec<Value> {
    let thinking = answer.thinking.as_deref().map(|said| thinking(said, answer.signature.as_deref().unwrap_or("")));
    let text = said(answer).map(text);
    let tool_calls = answer.tool_calls().map(|(id, call)| tool_use(&id, &call.name, &call.arguments));
    thinking.into_iter().chain(text).chain(tool_calls).collect()
}

/// The text, if it makes a block. An empty one does not: the API never sends one.
pub(super) fn said(answer: &Answer) -> Option<&str> {
    answer.text().filter(|text| !text.is_empty())
}

pub(super) fn thinking(text: &str, signature: &str) -> Value {
    json!({"type": "thinking", "thinking": text, "signature": signature})
}

pub(super) fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

pub(super) fn tool_use(id: &str, name: &str, input: &Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

fn usage(usage: Usage) -> Value {
    let mut fields = json!({
        "input_tokens": usage.input_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens.saturating_sub(usage.cache_write_hour_tokens),
            "ephemeral_1h_input_tokens": usage.cache_write_hour_tokens,
        },
        "service_tier": "standard",
    });
    if let (Some(fields), Value::Object(written)) = (fields.as_object_mut(), written(usage)) {
        fields.extend(written);
    }
    fields
}

/// The part of the usage that is known only at the end of a stream.
pub(super) fn written(usage: Usage) -> Value {
    match usage.reasoning_tokens {
        0 => json!({"output_tokens": usage.output_tokens}),
        thought => json!({
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"thinking_tokens": thought},
        }),
    }
}

pub(super) fn error(status: u16, message: &str, asked: &Asked<'_>) -> Value {
    json!({
        "type": "error",
        "error": {"type": error_type(status), "message": message},
        "request_id": asked.request_id(),
    })
}

fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}
