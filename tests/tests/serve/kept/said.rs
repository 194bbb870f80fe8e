//! What is asked and answered, in each format, with all that has a place of its own.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::verbatim::streams::sends;

/// What `redact` finds in each answer.
pub(super) const SECRET: &str = "jane@example.com";

/// A request in this format, with all that has a place of its own.
pub(super) fn request(format: Format) -> Value {
    let schema = json!({"type": "object", "properties": {}});
    match format {
        Format::Anthropic => json!({
            "model": "a", "max_tokens": 50, "system": [{"type": "text", "text": "Be kind."}],
            "tools": [{"name": "send", "input_schema": schema}], "tool_choice": {"type": "auto"},
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": format!("I am {SECRET}")}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "send", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "ok"}]}]},
            ],
        }),
        Format::Responses => json!({
            "model": "a", "text": {"format": {"type": "text"}}, "tool_choice": {"type": "function", "name": "send"},
            "tools": [
                {"type": "function", "name": "send", "parameters": schema},
                {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
                {"type": "namespace", "name": "mail", "description": "Mail.", "tools": [
                    {"type": "function", "name": "send", "parameters": schema}, {"type": "custom", "name": "patch"},
                    {"type": "web_search"},
                ]},
            ],
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": format!("I am {SECRET}")}]},
                {"type": "function_call", "call_id": "c1", "name": "send", "arguments": "{}"},
                {"type": "custom_tool_call", "call_id": "c2", "namespace": "mail", "name": "patch", "input": "x"},
                {"type": "function_call_output", "call_id": "c1", "output": "ok"},
                {"type": "custom_tool_call_output", "call_id": "c2", "output": "ok"},
            ],
        }),
        _ => json!({
            "model": "a", "tools": [
                {"type": "function", "function": {"name": "send", "parameters": schema}},
                {"type": "custom", "custom": {"name": "patch"}},
            ],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": format!("I am {SECRET}")}]},
                {"role": "assistant", "content": null, "tool_calls":
                    [{"id": "c1", "type": "function", "function": {"name": "send", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "ok"},
            ],
        }),
    }
}

/// An answer in this format in which something is redacted.
pub(super) fn whole(format: Format) -> Value {
    let said = format!("Write to {SECRET} today.");
    let arguments = json!({"to": SECRET}).to_string();
    match format {
        Format::Anthropic => json!({
            "id": "msg_p", "type": "message", "role": "assistant", "model": "real", "stop_reason": "tool_use", "stop_sequence": null,
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "text", "text": said},
                {"type": "new_block", "k": 1},
                {"type": "tool_use", "id": "c2", "name": "send", "input": {"to": SECRET}},
            ],
            "usage": {"input_tokens": 3, "output_tokens": 2, "cache_creation": {"ephemeral_5m_input_tokens": 0}, "service_tier": "standard"},
        }),
        Format::Responses => json!({
            "id": "resp_p", "object": "response", "created_at": 7, "model": "real", "status": "completed", "service_tier": "priority",
            "output": [
                {"type": "reasoning", "id": "rs_p", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "enc"},
                {"type": "message", "id": "msg_p", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": said, "annotations": []}]},
                {"type": "new_item", "id": "new_p"},
                {"type": "function_call", "id": "fc_p", "call_id": "c2", "name": "send", "arguments": arguments, "status": "completed"},
            ],
            "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "input_tokens_details": {"cached_tokens": 0}},
        }),
        _ => json!({
            "id": "chatcmpl-p", "object": "chat.completion", "created": 7, "model": "real", "system_fingerprint": "fp_p",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": said,
                "tool_calls": [{"id": "c2", "type": "function", "function": {"name": "send", "arguments": arguments}}]}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}},
        }),
    }
}

/// The same answer in events. The secret comes in pieces.
pub(super) fn events(format: Format) -> Vec<Value> {
    let pieces = ["Write to ja", "ne@exam", "ple.com to", "day."];
    match format {
        Format::Anthropic => {
            let at = |kind: &str, index: u64, field: &str, value: Value| json!({"type": format!("content_block_{kind}"), "index": index, field: value});
            let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
            let mut message = whole(format);
            message["content"] = json!([]);
            message["stop_reason"] = Value::Null;
            let mut events = vec![json!({"type": "message_start", "message": message})];
            events.push(at("start", 0, "content_block", json!({"type": "thinking", "thinking": "", "signature": ""})));
            events.push(at("delta", 0, "delta", json!({"type": "thinking_delta", "thinking": "Hm."})));
            events.push(at("delta", 0, "delta", json!({"type": "signature_delta", "signature": "c2ln"})));
            events.push(stop(0));
            events.push(at("start", 1, "content_block", json!({"type": "text", "text": ""})));
            events.extend(pieces.map(|piece| at("delta", 1, "delta", json!({"type": "text_delta", "text": piece}))));
            events.push(at("delta", 1, "delta", json!({"type": "new_delta"})));
            events.push(stop(1));
            events.push(at(
                "start",
                2,
                "content_block",
                json!({"type": "tool_use", "id": "c2", "name": "send", "input": {}}),
            ));
            let halves = ["{\"to\": \"jane@", "example.com\"}"];
            events.extend(
                halves.map(|half| at("delta", 2, "delta", json!({"type": "input_json_delta", "partial_json": half}))),
            );
            events.push(stop(2));
            let delta = json!({"stop_reason": "tool_use", "stop_sequence": null});
            events.push(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 2}}));
            events.push(json!({"type": "message_stop"}));
            events
        }
        Format::Responses => {
            let response = whole(format);
            let mut begun = response.clone();
            (begun["status"], begun["output"], begun["usage"]) = ("in_progress".into(), json!([]), Value::Null);
            let at = |kind: &str, index: usize, more: Value| {
                let mut event = json!({"type": format!("response.{kind}"), "output_index": index});
                event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                event
            };
            let text = |kind: &str, more: Value| {
                let mut event = at(kind, 1, more);
                (event["item_id"], event["content_index"]) = ("msg_p".into(), 0.into());
                event
            };
            let item = |index: usize| json!({"item": response["output"][index]});
            let mut message = response["output"][1].clone();
            message["content"] = json!([]);
            let mut reasoning = response["output"][0].clone();
            reasoning["summary"] = json!([]);
            let mut call = response["output"][3].clone();
            (call["arguments"], call["status"]) = ("".into(), "in_progress".into());
            let part = &response["output"][1]["content"][0];
            let mut events = vec![
                json!({"type": "response.created", "response": begun}),
                at("output_item.added", 0, json!({"item": reasoning})),
                at("output_item.done", 0, item(0)),
                at("output_item.added", 1, json!({"item": message})),
                text("content_part.added", json!({"part": {"type": "output_text", "text": "", "annotations": []}})),
            ];
            events.extend(pieces.map(|piece| text("output_text.delta", json!({"delta": piece, "logprobs": []}))));
            events.push(text("output_text.done", json!({"text": part["text"], "logprobs": []})));
            events.push(text("content_part.done", json!({"part": part})));
            events.push(at("output_item.done", 1, item(1)));
            events.push(at("output_item.added", 2, item(2)));
            events.push(at("new_item.progress", 2, json!({"item_id": "new_p"})));
            events.push(at("output_item.done", 2, item(2)));
            events.push(at("output_item.added", 3, json!({"item": call})));
            let arguments = &response["output"][3]["arguments"];
            events.push(at("function_call_arguments.delta", 3, json!({"item_id": "fc_p", "delta": arguments})));
            events.push(at("function_call_arguments.done", 3, json!({"item_id": "fc_p", "arguments": arguments})));
            events.push(at("output_item.done", 3, item(3)));
            events.push(json!({"type": "response.completed", "response": response}));
            let number = |(number, mut event): (usize, Value)| {
                event["sequence_number"] = number.into();
                event
            };
            events.into_iter().enumerate().map(number).collect()
        }
        _ => {
            let answer = whole(format);
            let chunk = |choices: Value| {
                let mut chunk = answer.clone();
                (chunk["object"], chunk["choices"], chunk["usage"]) =
                    ("chat.completion.chunk".into(), choices, Value::Null);
                chunk
            };
            let delta = |delta: Value| chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]));
            let call = &answer["choices"][0]["message"]["tool_calls"][0];
            let mut begun = call.clone();
            (begun["index"], begun["function"]["arguments"]) = (0.into(), "".into());
            let piece = json!({"index": 0, "function": {"arguments": call["function"]["arguments"]}});
            let mut events = vec![delta(json!({"role": "assistant", "content": ""}))];
            events.extend(pieces.map(|piece| delta(json!({"content": piece}))));
            events.push(delta(json!({"tool_calls": [begun]})));
            events.push(delta(json!({"tool_calls": [piece]})));
            events.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": "tool_calls"}])));
            let mut counts = chunk(json!([]));
            counts["usage"] = answer["usage"].clone();
            events.push(counts);
            events
        }
    }
}

fn framed(format: Format, event: &Value) -> String {
    match format {
        Format::OpenAi => format!("data: {event}\n\n"),
        _ => format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()),
    }
}

/// The events as a provider sends them.
pub(super) fn stream(format: Format, events: &[Value]) -> Reply {
    let end = if format == Format::OpenAi { "data: [DONE]\n\n" } else { "" };
    sends(events.iter().map(|event| framed(format, event)).chain([end.to_owned()]).filter(|event| !event.is_empty()))
}

pub(super) fn streamed(format: Format) -> Value {
    let mut body = request(format);
    body["stream"] = true.into();
    if format == Format::OpenAi {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}
