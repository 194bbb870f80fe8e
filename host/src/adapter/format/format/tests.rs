//! What holds for every format and every preset.

mod unknown_fields;

use serde_json::json;

use crate::{
    adapter::format::table::format,
    chat::{message::Message, request::Request},
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
