//! Bodies as Anthropic's Messages API sends them.

use serde_json::{Value, json};

use super::Asked;
use crate::answer::{Answer, Usage};

pub(super) fn answer(answer: &Answer, asked: &Asked<'_>) -> Value {
    json!({
        "id": format!("msg_sim{:06}", asked.number),
        "type": "message",
        "role": "assistant",
        "model": asked.model(answer),
        "content": content(answer),
        "stop_reason": answer.stop_reason(),
        "stop_sequence": null,
        "usage": usage(answer.usage()),
    })
}

/// The blocks, in the order in which models write them.
fn content(answer: &Answer) -> Vec<Value> {
    let thinking = answer.thinking.as_ref().map(|text| {
        let signature = answer.signature.as_deref().unwrap_or_default();
        json!({"type": "thinking", "thinking": text, "signature": signature})
    });
    // An empty text is no block: the API never sends one.
    let text = answer.text().filter(|text| !text.is_empty()).map(|text| json!({"type": "text", "text": text}));
    let tool_calls = answer
        .tool_calls()
        .map(|(id, call)| json!({"type": "tool_use", "id": id, "name": call.name, "input": call.arguments}));
    thinking.into_iter().chain(text).chain(tool_calls).collect()
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": 0,
        },
        "service_tier": "standard",
    })
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
