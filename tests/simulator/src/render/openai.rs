//! Bodies as OpenAI's Chat Completions API sends them.

use serde_json::{Value, json};

use super::Asked;
use super::object::set;
use crate::answer::{Answer, ToolCall, Usage};

/// Seconds since 1970. Answers are the same in every run, so they do not carry the time of day.
const CREATED: u64 = 1_750_000_000;

pub(super) fn answer(answer: &Answer, asked: &Asked<'_>) -> Value {
    let choices = json!([{
        "index": 0,
        "message": message(answer),
        "logprobs": null,
        "finish_reason": finish_reason(answer.stop_reason()),
    }]);
    let mut body = envelope("chat.completion", answer, asked, &choices);
    set(&mut body, "usage", usage(answer.usage()));
    body
}

/// What an answer and each chunk of a stream have in common.
pub(super) fn envelope(object: &str, answer: &Answer, asked: &Asked<'_>, choices: &Value) -> Value {
    json!({
        "id": format!("chatcmpl-sim{:06}", asked.number),
        "object": object,
        "created": CREATED.saturating_add(asked.number),
        "model": asked.model(answer),
        "choices": choices,
        "service_tier": "default",
        "system_fingerprint": "fp_simulator",
    })
}

fn message(answer: &Answer) -> Value {
    let mut message = json!({
        "role": "assistant",
        "content": answer.text(),
        "refusal": null,
        "annotations": [],
    });
    if let Some(thinking) = &answer.thinking {
        set(&mut message, "reasoning_content", thinking.as_str());
    }
    if !answer.tool_calls.is_empty() {
        set(&mut message, "tool_calls", tool_calls(answer));
    }
    message
}

fn tool_calls(answer: &Answer) -> Value {
    answer.tool_calls().map(|(id, call)| tool_call(id, &call.name, &arguments(call))).collect()
}

pub(super) fn tool_call(id: String, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

/// On the wire, arguments are a text with JSON. A string is sent as that text.
pub(super) fn arguments(call: &ToolCall) -> String {
    match &call.arguments {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn finish_reason(stop_reason: &str) -> &str {
    match stop_reason {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        other => other,
    }
}

pub(super) fn usage(usage: Usage) -> Value {
    let mut read = json!({"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0});
    // OpenAI itself does not charge for writing, and has no such field.
    if usage.cache_write_tokens > 0 {
        set(&mut read, "cache_write_tokens", usage.cache_write_tokens);
    }
    json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
        "prompt_tokens_details": read,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

pub(super) fn error(status: u16, message: &str) -> Value {
    json!({
        "error": {"message": message, "type": error_type(status), "param": null, "code": null},
    })
}

fn error_type(status: u16) -> &'static str {
    match status {
        429 => "requests",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}
