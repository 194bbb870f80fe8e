//! What holds for every format and every preset.

mod unknown_fields;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    adapter::format::{table::format, tool_names::ToolNames, tree::MemoryBudget},
    chat::{extensions::Extensions, message::Message, request::Request, response::Response, wire_format::WireFormat},
    config::{presets::PRESETS, provider::ProviderConfig},
};

fn bytes(provider: &ProviderConfig, request: &Request) -> String {
    let body = format(provider.adapter).encode(request, provider, "m", true).unwrap();
    String::from_utf8(body).unwrap()
}

/// A conversation of these turns, with an answer behind each.
fn request(turns: usize) -> Request {
    let long = "toolu_01A09q90qw90lq917835lq9abcdefghijklmnopqrstuv";
    let turn = |number: usize| {
        json!([
            {"role": "user", "content": [
                {"type": "text", "text": format!("Question {number}"), "cache": number == 0},
                {"type": "image", "media_type": "image/png", "data": "iVBORw0K"},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "text": "Hm.", "signature": "c2ln"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": long, "name": "look", "arguments": {"at": number, "deep": {"b": 1, "a": 2}}},
                {"type": "tool_use", "id": format!("call_{number}"), "name": "look", "arguments": {}},
            ]},
            {"role": "tool", "content": [
                {"type": "tool_result", "tool_use_id": format!("call_{number}"), "content": "2"},
                {"type": "tool_result", "tool_use_id": long, "content": "1"},
            ]},
            {"role": "user", "content": "Quickly."},
            {"role": "assistant", "content": format!("Answer {number}")},
        ])
    };
    let mut messages = vec![json!({"role": "system", "content": "Be brief."})];
    messages.extend((0..turns).flat_map(|number| turn(number).as_array().cloned().unwrap_or_default()));
    messages.push(json!({"role": "user", "content": "Go on."}));
    let asked = json!({
        "messages": messages,
        "tools": [{"name": "look", "parameters": {"type": "object"}}],
        "options": {"temperature": 0.5, "user": "u", "metadata": {"a": "b"}, "stop": ["x"]},
    });
    serde_json::from_value(asked).unwrap()
}

/// The body up to the end of the last message.
fn up_to_last_message(body: &str) -> &str {
    let end = body.find("Go on.").unwrap() + "Go on.".len();
    &body[..end]
}

#[test]
fn the_body_begins_as_the_one_before() {
    for provider in PRESETS.values() {
        for turns in 0..3 {
            let mut before = request(turns);
            let mut after = before.clone();
            after.messages.extend([Message::assistant("Gone."), Message::user("And?")]);
            let (first, second) = (bytes(provider, &before), bytes(provider, &after));
            let common = up_to_last_message(&first);
            assert!(second.starts_with(common), "{}:\n{first}\n{second}", provider.name);
            assert_eq!(bytes(provider, &before), first, "equal requests give equal bytes");
            before.options.seed = Some(7);
            assert!(bytes(provider, &before).starts_with(common), "options stand behind the messages");
        }
    }
}

/// Names that no format has.
fn unknown() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        any::<i64>().prop_map(Value::from),
        ".{0,9}".prop_map(Value::from),
        Just(json!({"deep": [1, {"a": null}]})),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    proptest::collection::btree_map("x_[a-z]{1,8}", value, 0..4).prop_map(|fields| fields.into_iter().collect())
}

fn with(mut value: Value, fields: &Map<String, Value>) -> Value {
    if let Value::Object(object) = &mut value {
        object.extend(fields.clone());
    }
    value
}

/// The first message of the next request, after this answer.
fn sent_back(wire_format: WireFormat, answer: &Value) -> Value {
    let provider = crate::adapter::http::fixture::provider(wire_format, "http://localhost:1");
    let format = format(wire_format);
    let decoded = format.decode(answer, &ToolNames::default(), &MemoryBudget::new(1 << 20)).unwrap();
    let response =
        Response { extensions: decoded.extensions, ..Response::new(decoded.content) }.with_provider("here", "m");
    let request = Request::new([response.message(), Message::tool_result("t", "1")]);
    let body: Value = serde_json::from_slice(&format.encode(&request, &provider, "m", false).unwrap()).unwrap();
    body["messages"][0].clone()
}

fn openai_answer(call: Value, message: &Map<String, Value>) -> Value {
    let message = with(json!({"role": "assistant", "content": "a", "tool_calls": [call]}), message);
    json!({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
}

proptest! {
    #[test]
    fn unknown_fields_of_anthropics_blocks_come_back(fields in proptest::collection::vec(unknown(), 5)) {
        let content = json!([
            with(json!({"type": "thinking", "thinking": "Hm.", "signature": "s"}), &fields[0]),
            with(json!({"type": "redacted_thinking", "data": "d"}), &fields[1]),
            with(json!({"type": "text", "text": "a"}), &fields[2]),
            with(json!({"type": "tool_use", "id": "t", "name": "f", "input": {}}), &fields[3]),
            with(json!({"type": "server_tool_use", "id": "s", "name": "f", "input": {}}), &fields[4]),
        ]);
        let answer = json!({"type": "message", "role": "assistant", "content": content, "stop_reason": "tool_use"});
        prop_assert_eq!(&sent_back(WireFormat::Anthropic, &answer)["content"], &content);
    }

    #[test]
    fn unknown_fields_of_openais_calls_come_back(fields in unknown()) {
        let function = json!({"name": "f", "arguments": "{}"});
        let call = with(json!({"id": "t", "type": "function", "function": function}), &fields);
        let message = sent_back(WireFormat::OpenAi, &openai_answer(call.clone(), &Map::new()));
        prop_assert_eq!(&message["tool_calls"][0], &call);
    }

    #[test]
    fn extensions_of_a_message_are_written(fields in unknown(), openai: bool) {
        let wire_format = if openai { WireFormat::OpenAi } else { WireFormat::Anthropic };
        let vendor = format(wire_format).vendor();
        let mut message = Message::user("Hi");
        message.extensions = fields.iter().map(|(name, value)| (format!("{vendor}.{name}"), value.clone())).collect::<Extensions>();
        message.extensions.insert("arcllm.note".to_owned(), json!(1));
        let provider = crate::adapter::http::fixture::provider(wire_format, "http://localhost:1");
        let body = format(wire_format).encode(&Request::new([message]), &provider, "m", false).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(&body["messages"][0], &with(json!({"role": "user", "content": "Hi"}), &fields));
    }

    #[test]
    fn unknown_fields_in_the_function_of_a_call_come_back(fields in unknown()) {
        let function = with(json!({"name": "f", "arguments": "{}"}), &fields);
        let call = json!({"id": "t", "type": "function", "function": function});
        let message = sent_back(WireFormat::OpenAi, &openai_answer(call.clone(), &Map::new()));
        prop_assert_eq!(&message["tool_calls"][0], &call);
    }

    #[test]
    fn unknown_fields_of_openais_message_come_back(fields in unknown()) {
        let function = json!({"name": "f", "arguments": "{}"});
        let call = json!({"id": "t", "type": "function", "function": function});
        let message = sent_back(WireFormat::OpenAi, &openai_answer(call, &fields));
        for (name, value) in &fields {
            prop_assert_eq!(&message[name], value);
        }
    }
}
