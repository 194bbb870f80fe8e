use serde_json::{Value, json};

use crate::{
    adapter::{
        format::{anthropic::anthropic::Anthropic, format::Format as _},
        http::fixture,
    },
    chat::{
        content::{ContentBlock, Media, MediaSource},
        message::{Message, Role},
        request::Request,
        wire_format::WireFormat,
    },
    config::provider::ProviderConfig,
};

fn provider() -> ProviderConfig {
    fixture::provider(WireFormat::Anthropic, "https://api.anthropic.com")
}

fn encode(request: Value) -> Value {
    let request: Request = serde_json::from_value(request).unwrap();
    serde_json::from_slice(&Anthropic.encode(&request, &provider(), "claude-test", false).unwrap()).unwrap()
}

fn messages(messages: Value) -> Value {
    encode(json!({"messages": messages}))["messages"].take()
}

/// A conversation with a tool, an image and every field that the format has.
#[test]
fn a_conversation_with_a_tool_and_an_image() {
    let request = json!({
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this, and where does it grow?"},
                {"type": "image", "media_type": "image/png", "data": "iVBORw0K"},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "text": "A flower.", "signature": "c2ln"},
                {"type": "text", "text": "I look it up."},
                {"type": "tool_use", "id": "toolu_1", "name": "lookup", "arguments": {"plant": "daisy"}},
                {"type": "tool_use", "id": "toolu_2", "name": "picture", "arguments": {}},
            ]},
            {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Europe"}]},
            {"role": "tool", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true, "content": [
                    {"type": "text", "text": "only a sketch"},
                    {"type": "image", "url": "https://example.com/daisy.png"},
                ]},
            ]},
            {"role": "user", "content": "Go on."},
        ],
        "tools": [{"name": "lookup", "description": "Finds a plant", "parameters": {"type": "object"}}],
        "options": {"max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "tool_choice": "required",
                    "seed": 7, "labels": {"team": "garden"}},
    });
    let expected = json!({
        "model": "claude-test",
        "max_tokens": 100,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this, and where does it grow?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "A flower.", "signature": "c2ln"},
                {"type": "text", "text": "I look it up."},
                {"type": "tool_use", "id": "toolu_1", "name": "lookup", "input": {"plant": "daisy"}},
                {"type": "tool_use", "id": "toolu_2", "name": "picture", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Europe"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": [
                    {"type": "text", "text": "only a sketch"},
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/daisy.png"}},
                ], "is_error": true},
                {"type": "text", "text": "Go on."},
            ]},
        ],
        "tools": [{"name": "lookup", "description": "Finds a plant", "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "any"},
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["END"],
    });
    // Also the order of the fields.
    assert_eq!(encode(request).to_string(), expected.to_string());
}

#[test]
fn the_least_request() {
    let expected = json!({"model": "claude-test", "max_tokens": 4096, "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(encode(json!({"messages": [{"role": "user", "content": "Hi"}]})), expected);
}

#[test]
fn system_blocks_keep_their_cache_control() {
    let cached = json!({"anthropic.cache_control": {"type": "ephemeral"}, "openai.other": 1});
    let request = json!({"messages": [
        {"role": "system", "content": [{"type": "text", "text": "Long.", "extensions": cached}]},
        {"role": "user", "content": "Hi"},
        {"role": "developer", "content": "Late."},
    ]});
    let body = encode(request);
    let expected = json!([
        {"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Late."},
    ]);
    assert_eq!(body["system"], expected);
    assert_eq!(body["messages"], json!([{"role": "user", "content": "Hi"}]));
}

#[test]
fn roles_in_a_row_are_merged_and_blank_text_is_left_out() {
    let merged = messages(json!([
        {"role": "user", "content": "a"},
        {"role": "system", "content": "between"},
        {"role": "user", "content": [{"type": "text", "text": " \n"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": ""},
        {"role": "tool", "content": "plain text of a tool"},
        {"role": "assistant", "content": "c"},
        {"role": "assistant", "content": "d"},
    ]));
    let text = |text: &str| json!({"type": "text", "text": text});
    let expected = json!([
        {"role": "user", "content": [text("a"), text("b"), text("plain text of a tool")]},
        {"role": "assistant", "content": [text("c"), text("d")]},
    ]);
    assert_eq!(merged, expected);
}

fn call(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "a", "arguments": {}})
}

#[test]
fn results_stand_first_in_their_message() {
    let merged = messages(json!([
        {"role": "assistant", "content": [call("functions.a:0"), call("b")]},
        {"role": "user", "content": "Hurry!"},
        {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "functions.a:0", "content": []}]},
        {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "b", "content": ""}]},
    ]));
    let id = merged[0]["content"][0]["id"].clone();
    assert!(id.as_str().is_some_and(|id| id.starts_with("toolu_") && id.len() == 26), "{id}");
    let expected = json!({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": id},
        {"type": "tool_result", "tool_use_id": "b"},
        {"type": "text", "text": "Hurry!"},
    ]});
    assert_eq!(merged[1], expected);
}

#[test]
fn thinking_goes_back_if_the_provider_can_verify_it() {
    let server_tool = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}});
    let sent = messages(json!([{"role": "assistant", "content": [
        {"type": "thinking", "text": "unsigned"},
        {"type": "thinking", "redacted": "opaque"},
        {"type": "thinking", "text": "", "signature": "hidden"},
        {"type": "thinking", "text": "elsewhere", "signature": "foreign", "provider": "other"},
        {"type": "thinking", "text": "own", "signature": "own", "provider": "here"},
        server_tool,
    ]}]));
    let expected = json!([{"role": "assistant", "content": [
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "thinking", "thinking": "", "signature": "hidden"},
        {"type": "thinking", "thinking": "own", "signature": "own"},
        server_tool,
    ]}]);
    assert_eq!(sent, expected);
}

#[test]
fn a_role_and_a_source_of_their_own_go_as_they_are() {
    let image = Media {
        media_type: String::new(),
        source: MediaSource::Other(json!({"type": "file", "file_id": "f"})),
        name: String::new(),
        cache: None,
        extensions: [("anthropic.cache_control".to_owned(), json!({"type": "ephemeral"}))].into(),
    };
    let mut message = Message::new(Role::Other("critic".into()), vec![ContentBlock::Image(image)]);
    message.extensions.insert("anthropic.mood".into(), json!("stern"));
    let body: Value =
        serde_json::from_slice(&Anthropic.encode(&Request::new([message]), &provider(), "m", false).unwrap()).unwrap();
    let block =
        json!({"type": "image", "source": {"type": "file", "file_id": "f"}, "cache_control": {"type": "ephemeral"}});
    assert_eq!(body["messages"], json!([{"role": "critic", "content": [block], "mood": "stern"}]));
}

#[test]
fn an_answer_does_not_end_with_thinking() {
    let said = |role: &str, text: &str| json!({"role": role, "content": text});
    let thinking = || json!({"type": "thinking", "text": "Hm.", "signature": "s"});
    let redacted = || json!({"type": "thinking", "redacted": "opaque"});
    let answer = |blocks: Value| json!({"role": "assistant", "content": blocks});
    let text = |text: &str| json!({"type": "text", "text": text});
    let cut = json!([text("Well"), thinking(), redacted(), text(" ")]);
    let sent = messages(json!([said("user", "a"), answer(cut), said("system", "b"), said("user", "c")]));
    assert_eq!(sent, json!([said("user", "a"), said("assistant", "Well"), said("user", "c")]));
    let sent = messages(json!([said("user", "a"), answer(json!([thinking()])), said("user", "c")]));
    assert_eq!(sent, json!([{"role": "user", "content": [text("a"), text("c")]}]));
    // It goes on in the next message.
    let goes_on =
        [answer(json!([thinking()])), said("system", "b"), said("assistant", "d"), answer(json!([redacted()]))];
    let sent = messages(json!([said("user", "a"), goes_on[0], goes_on[1], goes_on[2], goes_on[3]]));
    let signed = json!({"type": "thinking", "thinking": "Hm.", "signature": "s"});
    assert_eq!(sent[1], answer(json!([signed, text("d")])));
}

#[test]
fn blank_text_in_the_json_of_a_format_is_left_out() {
    let blank = json!([{"type": "refusal", "refusal": " "}, {"type": "output_text", "text": ""}]);
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let sent = messages(json!([
        {"role": "user", "content": [blank[0], blank[1], {"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": [blank[0], image]},
        {"role": "user", "content": "Yes?"},
    ]));
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(sent, json!([{"role": "user", "content": [text("Hi"), text("Yes?")]}]));
}

#[test]
fn a_conversation_that_says_nothing_is_an_error() {
    let blank = [("user", " "), ("system", "Be brief."), ("assistant", "")];
    for said in [&blank[..0], &blank[..1], &blank[..]] {
        let said: Vec<Value> = said.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
        let request: Request = serde_json::from_value(json!({"messages": said})).unwrap();
        let error = Anthropic.encode(&request, &provider(), "m", false).unwrap_err().to_string();
        assert!(error.starts_with("`messages` says nothing to the model"), "{error}");
    }
}

/// The marks that are sent, in the order of the API.
fn marks(request: Value) -> Vec<Value> {
    let body = encode(request);
    let mut marks = Vec::new();
    for place in ["tools", "system", "messages"] {
        let mut open = vec![&body[place]];
        while let Some(value) = open.pop() {
            let mark = value.get("cache_control");
            marks.extend(mark.map(|mark| json!([value["text"].as_str().or(value["name"].as_str()), mark["ttl"]])));
            open.extend(value.as_array().into_iter().flatten().rev());
            open.extend(value.get("content").filter(|content| content.is_array()));
        }
    }
    marks
}

#[test]
fn cache_marks_count_in_the_order_of_the_api() {
    let text = |text: &str, cache: Value| json!({"type": "text", "text": text, "cache": cache});
    let (short, hour) = (json!({"ttl_seconds": 60}), json!({"ttl_seconds": 3600}));
    let own = |ttl: &str| json!({"type": "text", "text": ttl, "extensions": {"anthropic.cache_control": {"type": "ephemeral", "ttl": ttl}}});
    let raw = json!({"type": "search_result", "name": "raw", "content": [], "cache_control": {"type": "ephemeral"}});
    // The system message goes to the front, so its hour stands before the others.
    let late = json!([
        {"role": "user", "content": [text("a", short.clone())]},
        {"role": "system", "content": [text("b", hour.clone())]},
    ]);
    assert_eq!(marks(json!({"messages": late})), [json!(["b", "1h"]), json!(["a", "5m"])]);
    // All kinds of marks count, and those before an hour become one.
    let mixed = json!([{"role": "user", "content": [
        text("a", short.clone()), text("b", short.clone()), raw, own("1h"), own("5m"),
    ]}]);
    let expected = [json!(["b", "1h"]), json!(["raw", "1h"]), json!(["1h", "1h"]), json!(["5m", "5m"])];
    assert_eq!(marks(json!({"messages": mixed, "tools": [{"name": "f", "cache": true}]})), expected);
    // So does the mark of the body.
    let whole = json!({"anthropic.cache_control": {"type": "ephemeral", "ttl": "1h"}});
    let expected = [json!(["raw", "1h"]), json!(["1h", "1h"]), json!(["5m", "1h"])];
    assert_eq!(marks(json!({"messages": mixed, "options": {"extensions": whole}})), expected);
}

#[test]
fn tool_choices() {
    for (choice, expected) in [
        (json!("auto"), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (json!("none"), json!({"type": "none"})),
        (json!({"tool": "lookup"}), json!({"type": "tool", "name": "lookup", "disable_parallel_tool_use": true})),
        (json!({"type": "any"}), json!({"type": "any", "disable_parallel_tool_use": true})),
        (json!({"type": "none"}), json!({"type": "none"})),
        (
            json!({"type": "auto", "disable_parallel_tool_use": false}),
            json!({"type": "auto", "disable_parallel_tool_use": false}),
        ),
    ] {
        let body = encode(json!({
            "messages": [{"role": "user", "content": "Hi"}],
            "options": {"tool_choice": choice, "parallel_tool_calls": false},
            "tools": [{"name": "lookup"}],
        }));
        assert_eq!(body["tool_choice"], expected);
    }
}

#[test]
fn extensions_of_this_format_override() {
    let body = encode(json!({
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": "web_search", "extensions": {
            "anthropic.type": "web_search_20250305", "anthropic.input_schema": null,
        }}],
        "options": {"max_tokens": 5000, "extensions": {
            "anthropic.thinking": {"type": "enabled", "budget_tokens": 2000},
            "anthropic.max_tokens": 6,
            "openai.seed": 7,
        }},
        "extensions": {"anthropic.service_tier": "auto", "trace.id": 1},
    }));
    let expected = json!({
        "model": "claude-test", "max_tokens": 6, "messages": [{"role": "user", "content": "Hi"}], "service_tier": "auto",
        "tools": [{"name": "web_search", "type": "web_search_20250305"}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    });
    assert_eq!(body, expected);
}

#[test]
fn the_default_temperature_gives_way() {
    let mut provider = provider();
    (provider.max_tokens, provider.temperature) = (Some(50), Some(0.7));
    let body = |model: &str, options: Value| {
        let request =
            serde_json::from_value(json!({"messages": [{"role": "user", "content": "Hi"}], "options": options}))
                .unwrap();
        serde_json::from_slice::<Value>(&Anthropic.encode(&request, &provider, model, false).unwrap()).unwrap()
    };
    let plain = body("claude-sonnet-4-5", json!({}));
    assert_eq!((&plain["max_tokens"], &plain["temperature"]), (&json!(50), &json!(0.7)));
    assert_eq!(body("claude-sonnet-4-5", json!({"max_tokens": 5}))["max_tokens"], 5);
    assert_eq!(body("claude-sonnet-4-5", json!({"top_p": 0.5})).get("temperature"), None);
    assert_eq!(body("claude-sonnet-4-5", json!({"extensions": {"anthropic.thinking": {}}})).get("temperature"), None);
    assert_eq!(body("claude-opus-4-7", json!({})).get("temperature"), None);
    assert_eq!(body("claude-opus-4-7", json!({"temperature": 1.0}))["temperature"], 1.0);
}

#[test]
fn numbers_that_json_cannot_express_are_errors() {
    let mut request = Request::new([Message::new(Role::User, vec![ContentBlock::text("Hi")])]);
    request.options.top_p = Some(f64::NAN);
    assert!(Anthropic.encode(&request, &provider(), "m", false).unwrap_err().to_string().contains("`top_p`"));
}

#[test]
fn system_messages_go_where_the_model_takes_them() {
    let said = |role: &str, text: &str| json!({"role": role, "content": text});
    for (messages, system, sent) in [
        (
            json!([said("system", "a"), said("system", "b"), said("user", "c")]),
            json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
            json!([said("user", "c")]),
        ),
        (
            json!([
                said("user", "a"),
                said("system", "b"),
                said("user", "c"),
                said("system", "d"),
                said("assistant", "e")
            ]),
            Value::Null,
            json!([
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "c"}]},
                {"role": "system", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "d"}]},
                said("assistant", "e"),
            ]),
        ),
        (
            json!([said("user", "a"), said("assistant", "b"), said("system", "c"), said("assistant", "d")]),
            json!("c"),
            json!([said("user", "a"),
                   {"role": "assistant", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "d"}]}]),
        ),
    ] {
        let request: Request = serde_json::from_value(json!({"messages": messages})).unwrap();
        let body = Anthropic.encode(&request, &provider(), "claude-opus-4-8", false).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["system"], &body["messages"]), (&system, &sent), "{messages}");
    }
}

/// <https://docs.claude.com/en/api/messages>: `temperature` goes up to 1, and `messages` is never empty.
#[test]
fn what_the_api_would_refuse_is_refused_before_it_is_sent() {
    let refusal = |request: Value, model: &str| {
        let request: Request = serde_json::from_value(request).unwrap();
        Anthropic.encode(&request, &provider(), model, false).err().map(|error| error.to_string())
    };
    let user = json!({"role": "user", "content": "Hi"});
    let system = json!({"role": "system", "content": "Be brief."});
    let hot = |temperature: f64| json!({"messages": [user], "options": {"temperature": temperature}});
    let refused = refusal(hot(1.01), "claude-sonnet-4-5").unwrap();
    assert!(refused.contains("`options.temperature` is 1.01") && refused.contains("from 0 to 1"), "{refused}");
    assert_eq!(refusal(hot(1.0), "claude-sonnet-4-5"), None);
    assert_eq!(refusal(hot(1.01), "another-model"), None, "other models may take more");
    for messages in [json!([]), json!([system]), json!([system, system])] {
        let refused = refusal(json!({"messages": messages}), "claude-sonnet-4-5").unwrap();
        assert!(refused.contains("messages"), "{refused}");
    }
    assert_eq!(refusal(json!({"messages": [system, user]}), "claude-sonnet-4-5"), None);
}
