use serde_json::{Value, json};

use crate::{
    adapter::{
        format::{
            anthropic::anthropic::Anthropic,
            format::{Decoded, Format as _},
            malformed::Unreadable,
            tool_names::ToolNames,
            tree::MemoryBudget,
        },
        http::fixture,
    },
    chat::{
        content::{ContentBlock, Thinking, ToolCall},
        message::{Message, Role},
        request::Request,
        response::StopReason,
        usage::Usage,
        wire_format::WireFormat,
    },
};

fn decode(body: Value) -> Result<Decoded, Unreadable> {
    Anthropic.decode(&body, &ToolNames::default(), &MemoryBudget::new(0))
}

fn malformed(body: Value) -> String {
    match decode(body) {
        Err(Unreadable::Malformed(malformed)) => malformed.0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_with_everything() {
    let search = json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []});
    let decoded = decode(json!({
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-test-20260101",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "opaque"},
            search,
            {"type": "text", "text": "A daisy.", "citations": [{"type": "char_location"}]},
            {"type": "tool_use", "id": "toolu_1", "name": "lookup", "input": {"plant": "daisy"},
             "caller": {"type": "direct"}},
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 20, "cache_creation_input_tokens": 3,
                  "cache_read_input_tokens": 4, "cache_creation": {"ephemeral_5m_input_tokens": 3},
                  "service_tier": "standard", "spare_tokens": 1},
    }));
    let thinking = |text: &str, signature: Option<&str>, redacted: Option<&str>| {
        let (signature, redacted) = (signature.map(str::to_owned), redacted.map(str::to_owned));
        ContentBlock::Thinking(Thinking {
            text: text.into(),
            signature,
            redacted,
            provider: None,
            extensions: [].into(),
        })
    };
    let text =
        json!({"type": "text", "text": "A daisy.", "extensions": {"anthropic.citations": [{"type": "char_location"}]}});
    let expected = Decoded {
        content: vec![
            thinking("Hm.", Some("c2ln"), None),
            thinking("", None, Some("opaque")),
            ContentBlock::Other(search),
            serde_json::from_value(text).unwrap(),
            ContentBlock::ToolUse(ToolCall {
                id: "toolu_1".into(),
                name: "lookup".into(),
                arguments: [("plant".to_owned(), json!("daisy"))].into_iter().collect(),
                cache: None,
                extensions: [("anthropic.caller".to_owned(), json!({"type": "direct"}))].into(),
            }),
        ],
        usage: Usage {
            input_tokens: 10,
            output_tokens: 20,
            total_tokens: 30,
            cache_read_tokens: Some(4),
            cache_write_tokens: Some(3),
            cache_write_hour_tokens: None,
            reasoning_tokens: None,
            extensions: [("anthropic.spare_tokens".to_owned(), json!(1))].into(),
        },
        stop_reason: StopReason::ToolUse,
        model: Some("claude-test-20260101".into()),
        extensions: [("anthropic.id".to_owned(), json!("msg_01"))].into(),
    };
    assert_eq!(decoded, Ok(expected));
}

#[test]
fn an_answer_goes_back_as_it_came() {
    let content = json!([
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "text", "text": "A daisy.", "citations": [{"type": "char_location"}]},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "daisy"}},
        {"type": "tool_use", "id": "toolu_1", "name": "lookup", "input": {"plant": "daisy"},
         "caller": {"type": "direct"}},
    ]);
    let decoded = decode(json!({"content": content})).unwrap();
    let request = Request::new([Message::new(Role::Assistant, decoded.content), Message::tool_result("toolu_1", "1")]);
    let bytes = Anthropic
        .encode(&request, &fixture::provider(WireFormat::Anthropic, "https://api.anthropic.com"), "m", false)
        .unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(body["messages"][0], json!({"role": "assistant", "content": content}));
}

/// The server of llama.cpp sends fewer fields than the documentation promises.
#[test]
fn an_answer_with_the_least() {
    let decoded =
        decode(json!({"content": [{"type": "thinking", "thinking": "Hm.", "signature": ""}], "timings": {}})).unwrap();
    assert!(matches!(decoded.content.as_slice(), [ContentBlock::Thinking(Thinking { signature: None, .. })]));
    assert_eq!((decoded.usage, decoded.model), (Usage::default(), None));
    assert_eq!(decoded.stop_reason, StopReason::EndTurn);
    assert!(matches!(decode(json!({"content": [], "usage": null, "stop_reason": null})), Err(Unreadable::NoAnswer(_))));
    let goes_on =
        json!({"content": [{"type": "text", "text": "Hi"}], "usage": {"output_tokens": 1}, "stop_reason": null});
    assert!(matches!(decode(goes_on), Err(Unreadable::NoAnswer(_))), "as a stream without its end");
}

#[test]
fn stop_reasons() {
    for (word, expected) in [
        (json!("end_turn"), StopReason::EndTurn),
        (json!("max_tokens"), StopReason::MaxTokens),
        (json!("stop_sequence"), StopReason::StopSequence),
        (json!("tool_use"), StopReason::ToolUse),
        (json!("refusal"), StopReason::Refusal),
        (json!("pause_turn"), StopReason::PauseTurn),
        (json!("stop"), StopReason::EndTurn),
        (json!("length"), StopReason::MaxTokens),
        (json!("new"), StopReason::Other("new".into())),
    ] {
        let decoded =
            decode(json!({"content": [], "usage": {"input_tokens": 1}, "stop_reason": word, "stop_sequence": "END"}))
                .unwrap();
        assert_eq!(decoded.stop_reason, expected);
        assert_eq!(decoded.extensions["anthropic.stop-sequence"], "END");
    }
    let calls = json!([{"type": "tool_use", "name": "a"}]);
    assert_eq!(decode(json!({"content": calls})).unwrap().stop_reason, StopReason::ToolUse);
}

#[test]
fn tool_input_in_other_forms() {
    for input in
        [json!({"type": "tool_use", "name": "a"}), json!({"type": "tool_use", "name": "a", "input": null, "id": ""})]
    {
        let decoded = decode(json!({"content": [input]})).unwrap();
        let [ContentBlock::ToolUse(call)] = decoded.content.as_slice() else { panic!("{decoded:?}") };
        assert_eq!((call.id.as_str(), call.arguments.len()), ("call_0", 0));
    }
    let decoded = decode(json!({"content": [{"type": "tool_use", "name": "a", "input": "{\"b\": 1}"}]})).unwrap();
    assert!(matches!(decoded.content.as_slice(), [ContentBlock::ToolUse(call)] if call.arguments["b"] == 1));
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (body, says) in [
        (json!([]), "the body is not an object"),
        (json!({}), "the body has no `content`"),
        (json!({"content": 1}), "content is not a list"),
        (json!({"content": ["text"]}), "content[0] has no `type`"),
        (json!({"content": [{"type": 1}]}), "content[0].type is not a string"),
        (json!({"content": [{"type": "text", "text": ""}, {"type": "text"}]}), "content[1] has no `text`"),
        (json!({"content": [{"type": "tool_use", "id": "a"}]}), "content[0] has no `name`"),
        (
            json!({"content": [{"type": "tool_use", "name": "a", "input": "{"}]}),
            "content[0].input is not a JSON object: {",
        ),
        (json!({"content": [{"type": "redacted_thinking"}]}), "content[0] has no `data`"),
    ] {
        assert_eq!(malformed(body), says);
    }
}

#[test]
fn an_error_with_a_good_status_is_an_error() {
    for (kind, expected) in [
        ("invalid_request_error", 400),
        ("authentication_error", 401),
        ("billing_error", 402),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("request_too_large", 413),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("timeout_error", 504),
        ("overloaded_error", 529),
    ] {
        let body = json!({"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "req_1"});
        assert_eq!(decode(body.clone()), Err(Unreadable::Error { status: expected, body }));
    }
}

#[test]
fn an_unknown_error_is_one_of_the_server() {
    let unknown = json!({"type": "error", "error": {"type": "capacity_error", "message": "later"}});
    assert_eq!(decode(unknown.clone()), Err(Unreadable::Error { status: 500, body: unknown }));
    for body in [json!({"type": "error"}), json!({"error": "later"}), json!({"detail": "later"})] {
        assert!(matches!(decode(body), Err(Unreadable::Error { status: 500, .. })));
    }
}

#[test]
fn no_content_is_no_answer_unless_it_costs_something() {
    assert!(matches!(decode(json!({"content": null})), Err(Unreadable::NoAnswer(_))));
    let usage = json!({"input_tokens": 3, "output_tokens": 4});
    assert_eq!(decode(json!({"content": null, "usage": usage})).unwrap().usage.total_tokens, 7);
    let cut = decode(json!({"content": null, "stop_reason": "max_tokens"})).unwrap();
    assert_eq!((cut.content, cut.stop_reason), (vec![], StopReason::MaxTokens));
}

#[test]
fn a_full_context_window_is_an_error_of_the_request() {
    let body = json!({"content": [{"type": "text", "text": "a"}], "stop_reason": "model_context_window_exceeded"});
    let Err(Unreadable::Ended { error, received }) = decode(body) else { panic!() };
    assert_eq!(received, [ContentBlock::text("a")]);
    let Unreadable::Error { status: 400, body } = *error else { panic!() };
    assert_eq!(body["error"]["code"], "context_length_exceeded");
}

#[test]
fn what_was_written_to_the_cache_for_an_hour_is_counted_apart() {
    let counts = |usage: Value| decode(json!({"content": [], "usage": usage})).unwrap().usage;
    let written = json!({"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4});
    for usage in
        [json!({"cache_creation": written}), json!({"cache_creation": written, "cache_creation_input_tokens": 7})]
    {
        let usage = counts(usage);
        assert_eq!((usage.cache_write_tokens, usage.cache_write_hour_tokens), (Some(7), Some(4)));
    }
    let none = json!({"input_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 0}});
    assert_eq!(counts(none).cache_write_hour_tokens, None);
    assert_eq!(counts(json!({"output_tokens_details": {"thinking_tokens": 9}})).reasoning_tokens, Some(9));
}
