use serde_json::{Value, json};

use super::max_tokens_name;
use crate::{
    adapter::{
        format::{format::Format as _, openai::openai::OpenAi},
        http::fixture,
    },
    chat::{
        content::ContentBlock,
        message::{Message, Role},
        request::Request,
        wire_format::WireFormat,
    },
    config::provider::ProviderConfig,
};

fn provider() -> ProviderConfig {
    fixture::provider(WireFormat::OpenAi, "http://localhost:8080/v1")
}

fn encode(request: Value) -> Value {
    let request: Request = serde_json::from_value(request).unwrap();
    serde_json::from_slice(&OpenAi.encode(&request, &provider(), "some-model", false).unwrap()).unwrap()
}

fn messages(messages: Value) -> Value {
    encode(json!({"messages": messages}))["messages"].take()
}

/// A conversation with tools, images and every field that the format has.
#[test]
fn a_conversation_with_tools_and_images() {
    let request = json!({
        "messages": [
            {"role": "system", "content": [
                {"type": "text", "text": "Be brief."},
                {"type": "text", "text": "Be kind."},
            ]},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "media_type": "image/png", "data": "iVBORw0K"},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "text": "A flower.", "signature": "c2ln"},
                {"type": "text", "text": "I look "},
                {"type": "text", "text": "it up."},
                {"type": "tool_use", "id": "call_a", "name": "lookup", "arguments": {"plant": "daisy"}},
                {"type": "tool_use", "id": "call_b", "name": "picture", "arguments": {}},
            ]},
            {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "call_a", "content": [
                {"type": "text", "text": "a sketch"},
                {"type": "image", "url": "https://example.com/daisy.png"},
                {"type": "text", "text": "of a daisy"},
            ]}]},
            {"role": "tool", "content": [
                {"type": "tool_result", "tool_use_id": "call_b", "is_error": true, "content": ""},
            ]},
            {"role": "user", "content": "Go on."},
        ],
        "tools": [{"name": "lookup", "description": "Finds a plant", "parameters": {"type": "object"},
                   "extensions": {"openai.strict": true}}],
        "options": {"max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "tool_choice": "required",
                    "seed": 7, "labels": {"team": "garden"}},
    });
    let call = |id: &str, name: &str, arguments: &str| {
        let function = json!({"name": name, "arguments": arguments});
        json!({"id": id, "type": "function", "function": function})
    };
    let expected = json!({
        "model": "some-model",
        "messages": [
            {"role": "system", "content": "Be brief.\n\nBe kind."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
            ]},
            {"role": "assistant", "content": "I look it up.",
             "tool_calls": [call("call_a", "lookup", "{\"plant\":\"daisy\"}"), call("call_b", "picture", "{}")]},
            {"role": "tool", "tool_call_id": "call_a", "content": "a sketch\nof a daisy"},
            {"role": "tool", "tool_call_id": "call_b", "content": "error"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/daisy.png"}}]},
            {"role": "user", "content": "Go on."},
        ],
        "max_tokens": 100,
        "tools": [{"type": "function",
                   "function": {"name": "lookup", "description": "Finds a plant",
                                "parameters": {"type": "object", "properties": {}}},
                   "strict": true}],
        "tool_choice": "required",
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "seed": 7,
    });
    // Also the order of the fields.
    assert_eq!(encode(request).to_string(), expected.to_string());
}

#[test]
fn the_least_request() {
    let expected = json!({"model": "some-model", "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(encode(json!({"messages": [{"role": "user", "content": "Hi"}]})), expected);
}

#[test]
fn content_of_each_kind() {
    let other = json!({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}});
    for (message, expected) in [
        (json!({"role": "user", "content": ""}), json!({"role": "user", "content": ""})),
        (json!({"role": "user", "content": []}), json!({"role": "user", "content": ""})),
        (json!({"role": "user", "content": [other]}), json!({"role": "user", "content": [other]})),
        (json!({"role": "tool", "content": "bare"}), json!({"role": "user", "content": "bare"})),
        (
            json!({"role": "assistant", "content": [{"type": "text", "text": ""}]}),
            json!({"role": "assistant", "content": ""}),
        ),
        (
            json!({"role": "user", "content": "Hi", "extensions": {"openai.name": "Ann", "anthropic.x": 1}}),
            json!({"role": "user", "content": "Hi", "name": "Ann"}),
        ),
        (
            json!({"role": "system", "content": [{"type": "text", "text": "a", "extensions": {"openai.mark": 1}}]}),
            json!({"role": "system", "content": [{"type": "text", "text": "a", "mark": 1}]}),
        ),
        (
            json!({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
            json!({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
        ),
    ] {
        assert_eq!(messages(json!([message])), json!([expected]));
    }
    let thought = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"type": "thinking", "text": "only"}]}]);
    assert_eq!(messages(thought), json!([{"role": "user", "content": "Hi"}]), "an empty answer would be made up");
    let critic = Message::new(Role::Other("critic".into()), vec![ContentBlock::text("No.")]);
    let body: Value =
        serde_json::from_slice(&OpenAi.encode(&Request::new([critic]), &provider(), "m", false).unwrap()).unwrap();
    assert_eq!(body["messages"], json!([{"role": "critic", "content": "No."}]));
}

#[test]
fn nothing_stands_between_results() {
    let call = |id| json!({"type": "tool_use", "id": id, "name": "f", "arguments": {}});
    let sent = messages(json!([
        {"role": "assistant", "content": [call("a"), call("b")]},
        {"role": "user", "content": [
            {"type": "text", "text": "And hurry!"},
            {"type": "tool_result", "tool_use_id": "a", "content": "1"},
        ]},
        {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "b", "is_error": true, "content": [
            {"type": "text", "text": "broken"}, {"type": "profile", "title": "d"},
        ]}]},
    ]));
    let calls = json!([
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]);
    let expected = json!([
        {"role": "assistant", "content": null, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "broken\n{\"type\":\"profile\",\"title\":\"d\"}"},
        {"role": "user", "content": "And hurry!"},
    ]);
    assert_eq!(sent, expected);
}

#[test]
fn a_conversation_without_messages_is_an_error() {
    let error = OpenAi.encode(&Request::default(), &provider(), "m", false).unwrap_err().to_string();
    assert!(error.starts_with("`messages` says nothing to the model"), "{error}");
}

#[test]
fn tool_choices() {
    for (choice, expected) in [
        (json!("auto"), json!("auto")),
        (json!("none"), json!("none")),
        (json!({"tool": "lookup"}), json!({"type": "function", "function": {"name": "lookup"}})),
        (json!({"type": "allowed_tools"}), json!({"type": "allowed_tools"})),
    ] {
        let messages = json!([{"role": "user", "content": "Hi"}]);
        let tools = json!([{"name": "lookup"}]);
        let body = encode(json!({"messages": messages, "tools": tools, "options": {"tool_choice": choice}}));
        assert_eq!(body["tool_choice"], expected);
    }
}

#[test]
fn extensions_of_this_format_override() {
    let body = encode(json!({
        "messages": [{"role": "user", "content": "Hi"}],
        "options": {"seed": 1, "extensions": {
            "openai.seed": null, "openai.reasoning_effort": "low", "anthropic.thinking": {},
        }},
        "extensions": {"openai.user": "u"},
    }));
    assert_eq!(
        body,
        json!({"model": "some-model", "messages": [{"role": "user", "content": "Hi"}], "reasoning_effort": "low", "user": "u"})
    );
}

#[test]
fn reasoning_models_get_no_default_temperature() {
    let mut provider = fixture::provider(WireFormat::OpenAi, "https://api.openai.com/v1");
    (provider.max_tokens, provider.temperature) = (Some(50), Some(0.7));
    provider.quirks = ProviderConfig::preset("openai").unwrap().quirks;
    let body = |model: &str, options: Value| {
        let request =
            serde_json::from_value(json!({"messages": [{"role": "user", "content": "Hi"}], "options": options}))
                .unwrap();
        serde_json::from_slice::<Value>(&OpenAi.encode(&request, &provider, model, false).unwrap()).unwrap()
    };
    assert_eq!(
        body("gpt-4o", json!({})),
        json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 50, "temperature": 0.7})
    );
    assert_eq!(
        body("o3", json!({})),
        json!({"model": "o3", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 50})
    );
    assert_eq!(body("gpt-5", json!({"temperature": 1.0}))["temperature"], 1.0);
}

#[test]
fn numbers_that_json_cannot_express_are_errors() {
    let mut request = Request::new([Message::new(Role::User, vec![ContentBlock::text("Hi")])]);
    request.options.temperature = Some(f64::INFINITY);
    assert!(OpenAi.encode(&request, &provider(), "m", false).unwrap_err().to_string().contains("`temperature`"));
}

#[test]
fn the_name_of_max_tokens_depends_on_provider_and_model() {
    for (preset, model, name) in [
        ("openai", "gpt-4o", "max_completion_tokens"),
        ("openai", "my-deployment", "max_completion_tokens"),
        ("together", "openai/gpt-5", "max_completion_tokens"),
        ("vllm", "o3-mini", "max_completion_tokens"),
        ("deepseek", "deepseek-chat", "max_tokens"),
        ("ollama", "gpt-oss:20b", "max_tokens"),
    ] {
        let quirks = ProviderConfig::preset(preset).unwrap().quirks;
        assert_eq!(max_tokens_name(&quirks, model), name, "{preset} {model}");
    }
}
