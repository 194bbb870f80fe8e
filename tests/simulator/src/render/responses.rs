//! Bodies as OpenAI's Responses API sends them.

use serde_json::{Value, json};

use super::object::set;
use super::{Asked, openai};
use crate::answer::{Answer, Usage};

/// Seconds since 1970. Answers are the same in every run, so they do not carry the time of day.
const CREATED: u64 = 1_750_000_000;

pub(super) fn answer(answer: &Answer, asked: &Asked<'_>) -> Value {
    let items = items(answer, asked).into_iter().map(|item| item.value).collect();
    ended(answer, asked, items)
}

/// The response at its end, with these items.
pub(super) fn ended(answer: &Answer, asked: &Asked<'_>, items: Vec<Value>) -> Value {
    let mut body = response(answer, asked, "completed", items);
    if let Some(reason) = incomplete_reason(answer.stop_reason()) {
        set(&mut body, "status", "incomplete");
        set(&mut body, "incomplete_details", json!({"reason": reason}));
    }
    set(&mut body, "usage", usage(answer.usage()));
    body
}

/// The response with this status, without its usage.
pub(super) fn response(answer: &Answer, asked: &Asked<'_>, status: &str, output: Vec<Value>) -> Value {
    json!({
        "id": format!("resp_sim{:06}", asked.number),
        "object": "response",
        "created_at": CREATED.saturating_add(asked.number),
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "model": asked.model(answer),
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "store": false,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": null,
    })
}

/// An item of an answer, and the text that a stream sends in pieces.
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) text: String,
}

/// The items, in the order in which models write them.
pub(super) fn items(answer: &Answer, asked: &Asked<'_>) -> Vec<Item> {
    let number = asked.number;
    let reasoning = answer.thinking.as_deref().map(|text| Item {
        value: json!({
            "id": format!("rs_sim{number:06}"),
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text}],
            "encrypted_content": answer.signature,
        }),
        text: text.to_owned(),
    });
    let message = answer.text().filter(|text| !text.is_empty()).map(|text| Item {
        value: json!({
            "id": format!("msg_sim{number:06}"),
            "type": "message",
            "status": status(answer),
            "role": "assistant",
            "content": [part(answer, text)],
        }),
        text: text.to_owned(),
    });
    let calls = answer.tool_calls().zip(1..).map(|((id, call), count)| {
        let arguments = openai::arguments(call);
        let value = json!({
            "id": format!("fc_sim{number:06}_{count}"),
            "type": "function_call",
            "status": status(answer),
            "call_id": id,
            "name": call.name,
            "arguments": arguments,
        });
        Item { value, text: arguments }
    });
    reasoning.into_iter().chain(message).chain(calls).collect()
}

/// The part of the message with its text.
pub(super) fn part(answer: &Answer, text: &str) -> Value {
    match answer.stop_reason() {
        "refusal" => json!({"type": "refusal", "refusal": text}),
        _ => json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text}),
    }
}

fn status(answer: &Answer) -> &'static str {
    if incomplete_reason(answer.stop_reason()).is_some() { "incomplete" } else { "completed" }
}

/// Why the answer is incomplete. `None` if it is complete.
fn incomplete_reason(stop_reason: &str) -> Option<&str> {
    match stop_reason {
        "end_turn" | "stop_sequence" | "tool_use" | "refusal" => None,
        "max_tokens" => Some("max_output_tokens"),
        other => Some(other),
    }
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
    })
}

/// A response that failed.
pub(super) fn failed(asked: &Asked<'_>, status: u16, message: &str) -> Value {
    let mut body = response(&Answer::default(), asked, "failed", Vec::new());
    set(&mut body, "error", json!({"code": error_code(status), "message": message}));
    body
}

/// The error of an event, which has no status.
pub(super) fn error_event(error: &Value) -> Value {
    json!({"type": "error", "code": error.get("code"), "message": error.get("message"), "param": null})
}

fn error_code(status: u16) -> &'static str {
    match status {
        401 => "invalid_api_key",
        404 => "model_not_found",
        429 => "rate_limit_exceeded",
        400..=499 => "invalid_prompt",
        503 => "server_is_overloaded",
        _ => "server_error",
    }
}
