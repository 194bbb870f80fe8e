//! Fields that this version does not know come back to the provider that sent them, and go to no other.

use std::collections::VecDeque;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{unknown, with};
use crate::{
    adapter::{
        format::{
            format::Decoded,
            table::format,
            tool_names::ToolNames,
            tree::{self, MemoryBudget},
        },
        http::fixture,
    },
    chat::{message::Message, request::Request, response::Response, wire_format::WireFormat},
};

type Fields = Map<String, Value>;

/// An answer in all its forms.
struct Written {
    /// The message of the next request to the same provider.
    message: Value,
    whole: Value,
    /// The data of its events.
    events: Vec<Value>,
}

/// An answer of OpenAI's format with these fields at its message, its text, its calls and their functions.
fn openai([message, text, call, function]: &[Fields; 4]) -> Written {
    let function_with = |fields: &Fields| with(json!({"name": "f", "arguments": "{}"}), fields);
    let call_with = |id: &str, call: &Fields, function: &Fields| {
        with(json!({"id": id, "type": "function", "function": function_with(function)}), call)
    };
    let (first, second) = (call_with("t", call, function), call_with("u", function, call));
    let part = with(json!({"type": "text", "text": "a"}), text);
    let content = if text.is_empty() { json!("a") } else { json!([part]) };
    let said = with(json!({"role": "assistant", "content": content, "tool_calls": [first, second]}), message);
    let chunk = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]});
    let called = |delta: Value| chunk(json!({"tool_calls": [delta]}));
    let mut events = vec![chunk(json!({"role": "assistant", "content": [part]}))];
    events.extend(message.iter().flat_map(|(name, value)| pieces(value).map(|piece| chunk(json!({ name: piece })))));
    events.extend([
        called(with(json!({"index": 0, "id": "t", "type": "function", "function": function_with(function)}), call)),
        called(with(json!({"index": 1, "id": "u", "function": {"name": "f", "arguments": "{"}}), function)),
        called(with(
            json!({"index": 1, "type": "function", "function": with(json!({"arguments": "}"}), call)}),
            function,
        )),
        json!({"choices": [{"index": 0, "delta": {"x_null": null}, "finish_reason": "tool_calls"}]}),
    ]);
    let whole = json!({"choices": [{"index": 0, "message": said, "finish_reason": "tool_calls"}]});
    Written { message: said, whole, events }
}

/// The deltas that add up to this value.
fn pieces(value: &Value) -> [Value; 2] {
    match value {
        Value::Array(items) => {
            let (first, second) = items.split_at(items.len() / 2);
            [first.into(), second.into()]
        }
        Value::Object(_) => [value.clone(), Value::Null],
        _ => ["before".into(), value.clone()],
    }
}

/// An answer of Anthropic's format with these fields at its blocks.
fn anthropic([thinking, text, call, other]: &[Fields; 4]) -> Written {
    let blocks = |thought: &str, said: &str, signature: &str| {
        json!([
            with(json!({"type": "thinking", "thinking": thought, "signature": signature}), thinking),
            with(json!({"type": "redacted_thinking", "data": "d"}), thinking),
            with(json!({"type": "text", "text": said}), text),
            with(json!({"type": "tool_use", "id": "t", "name": "f", "input": {}}), call),
            with(json!({"type": "server_tool_use", "id": "s", "name": "f", "input": {}}), other),
        ])
    };
    let content = blocks("Hm.", "a", "s");
    let whole = json!({
        "type": "message", "role": "assistant", "container": {"id": "x_c"}, "content": content, "stop_reason": "tool_use",
    });
    let mut events = vec![json!({"type": "message_start", "message": {"content": [], "container": {"id": "x_c"}}})];
    for (at, begun) in blocks("", "", "").as_array().unwrap().iter().enumerate() {
        events.push(json!({"type": "content_block_start", "index": at, "content_block": begun}));
        let delta = |kind: &str, name: &str, piece: &str| json!({"type": "content_block_delta", "index": at, "delta": {"type": kind, name: piece}});
        match at {
            0 => {
                events.extend([delta("thinking_delta", "thinking", "Hm."), delta("signature_delta", "signature", "s")])
            }
            2 => events.push(delta("text_delta", "text", "a")),
            _ => {}
        }
        events.push(json!({"type": "content_block_stop", "index": at}));
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "container": {"id": "x_c"}}}));
    events.push(json!({"type": "message_stop"}));
    Written { message: json!({"role": "assistant", "content": content}), whole, events }
}

/// An answer of OpenAI's Responses format with these fields at its items, its text, its call and another item.
fn responses([item, text, call, other]: &[Fields; 4]) -> Written {
    let part =
        |said: &str, fields: &Fields| with(json!({"type": "output_text", "text": said, "annotations": []}), fields);
    let summary = json!([{"type": "summary_text", "text": "Hm."}]);
    let output = json!([
        with(json!({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "e"}), item),
        with(
            json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [part("a", text), part("b", item)]}),
            item
        ),
        with(
            json!({"type": "message", "id": "msg_2", "role": "assistant", "phase": "commentary", "content": [part("c", text)]}),
            text
        ),
        with(json!({"type": "function_call", "id": "fc_1", "call_id": "t", "name": "f", "arguments": "{}"}), call),
        with(json!({"type": "custom_tool_call", "id": "ct_1", "call_id": "u", "name": "g", "input": "i"}), call),
        with(json!({"type": "web_search_call", "id": "ws_1", "status": "completed"}), other),
    ]);
    let whole = json!({"id": "r", "status": "completed", "output": output});
    let mut events = Vec::new();
    for (at, item) in output.as_array().unwrap().iter().enumerate() {
        let begun = json!({"type": item["type"], "id": item["id"], "name": item["name"], "call_id": item["call_id"]});
        events.push(json!({"type": "response.output_item.added", "output_index": at, "item": begun}));
        for (index, part) in item["content"].as_array().into_iter().flatten().enumerate() {
            let mut empty = part.clone();
            empty["text"] = "".into();
            let of_part = |kind: &str, field: &str, value: Value| json!({"type": kind, "output_index": at, "content_index": index, field: value});
            events.push(of_part("response.content_part.added", "part", empty));
            events.push(of_part("response.output_text.delta", "delta", part["text"].clone()));
        }
        if at % 2 == 0 {
            events.push(json!({"type": "response.output_item.done", "output_index": at, "item": item}));
        }
    }
    events.push(json!({"type": "response.completed", "response": whole}));
    Written { message: output, whole, events }
}

fn written(wire_format: WireFormat, fields: &[Fields; 4]) -> Written {
    match wire_format {
        WireFormat::OpenAiResponses => responses(fields),
        WireFormat::OpenAi => openai(fields),
        WireFormat::Anthropic => anthropic(fields),
    }
}

/// The answer that the provider `here` gives with this body.
fn answer(wire_format: WireFormat, body: &Value) -> Response {
    let budget = MemoryBudget::new(1 << 20);
    let body = tree::read(body.to_string().as_bytes(), format(wire_format).keeps(), &budget).unwrap();
    response(format(wire_format).decode(&body, &ToolNames::default(), &budget).unwrap())
}

/// The answer that the provider `here` gives with these events.
fn streamed(wire_format: WireFormat, events: &[Value]) -> Response {
    let mut reader = format(wire_format).event_reader(&ToolNames::default(), MemoryBudget::new(1 << 20));
    let mut told = VecDeque::new();
    for event in events {
        reader.read("", &event.to_string(), &mut told).unwrap();
    }
    reader.end(&mut told).unwrap();
    response(format(wire_format).decode(&reader.body(), &ToolNames::default(), &MemoryBudget::new(1 << 20)).unwrap())
}

fn response(decoded: Decoded) -> Response {
    let mut response = Response::new(decoded.content).with_provider("here", "m");
    response.extensions = decoded.extensions;
    response
}

/// The message as this provider is sent it, in front of the results of its calls.
fn sent(wire_format: WireFormat, provider: &str, message: Message) -> Value {
    let mut config = fixture::provider(wire_format, "http://localhost:1");
    config.name = provider.to_owned();
    config.repair_history = true;
    let body = format(wire_format).encode(&Request::new([message]), &config, "m", false).unwrap();
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    match body["input"].take() {
        Value::Array(items) => {
            let is_result = |item: &Value| item["type"].as_str().is_some_and(|kind| kind.ends_with("_output"));
            items.into_iter().filter(|item| !is_result(item)).collect()
        }
        _ => body["messages"][0].take(),
    }
}

proptest! {
    #[test]
    fn they_come_back_to_their_provider_alone(fields in [unknown(), unknown(), unknown(), unknown()], which in 0..3_usize) {
        let wire_format = WireFormat::ALL[which];
        let openai = wire_format == WireFormat::OpenAi;
        let answer_with = written(wire_format, &fields);
        // A block of another type is the provider's own JSON.
        let others = [Fields::new(), Fields::new(), Fields::new(), if openai { Fields::new() } else { fields[3].clone() }];
        let plain = answer(wire_format, &written(wire_format, &others).whole).message();
        let all = [answer(wire_format, &answer_with.whole), streamed(wire_format, &answer_with.events)];
        prop_assert_eq!(&all[0], &all[1]);
        for answer in all {
            prop_assert_eq!(&sent(wire_format, "here", answer.message()), &answer_with.message);
            prop_assert_eq!(sent(wire_format, "there", answer.message()), sent(wire_format, "there", plain.clone()));
            for other_format in WireFormat::ALL {
                prop_assert_eq!(sent(other_format, "there", answer.message()), sent(other_format, "there", plain.clone()));
            }
            let json = serde_json::to_value(&answer).unwrap();
            let message: Message = serde_json::from_value(json["message"].clone()).unwrap();
            prop_assert_eq!(message, answer.message());
            prop_assert_eq!(serde_json::from_value::<Response>(json).unwrap(), answer);
        }
    }
}
