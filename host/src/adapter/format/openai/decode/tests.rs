use serde_json::{Value, json};

use crate::{
    adapter::{
        format::{
            format::{Decoded, Format as _},
            malformed::Unreadable,
            openai::openai::OpenAi,
            tool_names::ToolNames,
            tree::MemoryBudget,
        },
        http::fixture,
    },
    chat::{
        content::ContentBlock,
        message::{Message, Role},
        request::Request,
        response::StopReason,
        usage::Usage,
        wire_format::WireFormat,
    },
};

fn decode(body: Value) -> Result<Decoded, Unreadable> {
    OpenAi.decode(&body, &ToolNames::default(), &MemoryBudget::new(0))
}

/// The answer with this message.
fn says(message: Value) -> Decoded {
    decode(json!({"choices": [{"message": message, "finish_reason": "stop"}]})).unwrap()
}

fn blocks(decoded: &Decoded) -> Value {
    serde_json::to_value(&decoded.content).unwrap()
}

fn malformed(body: Value) -> String {
    match decode(body) {
        Err(Unreadable::Malformed(malformed)) => malformed.0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_of_openai() {
    let decoded = decode(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000, "model": "gpt-4o-2024-08-06",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "Hello!", "refusal": null, "annotations": []},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0},
        },
        "service_tier": "default", "system_fingerprint": "fp_1",
    }));
    let expected = Decoded {
        content: vec![ContentBlock::text("Hello!")],
        usage: Usage {
            input_tokens: 19,
            output_tokens: 10,
            total_tokens: 29,
            cache_read_tokens: Some(8),
            cache_write_tokens: None,
            cache_write_hour_tokens: None,
            reasoning_tokens: Some(4),
            extensions: [].into(),
        },
        stop_reason: StopReason::EndTurn,
        model: Some("gpt-4o-2024-08-06".into()),
        extensions: [("openai.id".to_owned(), json!("chatcmpl-1"))].into(),
    };
    assert_eq!(decoded, Ok(expected));
}

/// Answers of llama.cpp, DeepSeek and vLLM, with more fields and with fewer.
#[test]
fn answers_of_compatible_servers() {
    let decoded = decode(json!({
        "choices": [{"finish_reason": "tool_calls", "index": 0, "message": {
            "role": "assistant", "reasoning_content": "Hm.", "content": "",
            "tool_calls": [
                {"type": "function", "index": 0, "function": {"name": "a", "arguments": "{\"b\":1}"}},
                {"id": "x", "function": {"name": "c", "arguments": {}}, "extra_content": {"google": {}}},
            ],
        }}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 6.0, "prompt_cache_hit_tokens": 2,
                  "prompt_cache_miss_tokens": 3, "prompt_tokens_details": null},
        "timings": {"prompt_ms": 1.5},
    }))
    .unwrap();
    let expected = json!([
        {"type": "thinking", "text": "Hm."},
        {"type": "tool_use", "id": "call_0", "name": "a", "arguments": {"b": 1}},
        {"type": "tool_use", "id": "x", "name": "c", "arguments": {},
         "extensions": {"openai.extra_content": {"google": {}}}},
    ]);
    assert_eq!(blocks(&decoded), expected);
    assert_eq!(decoded.stop_reason, StopReason::ToolUse);
    let usage = decoded.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (5, 6, 11));
    assert_eq!((usage.cache_read_tokens, usage.reasoning_tokens), (Some(2), None));
    assert_eq!(usage.extensions, [("openai.prompt_cache_miss_tokens".to_owned(), json!(3))].into());
}

#[test]
fn unknown_fields_are_extensions_in_older_forms_too() {
    let parts = json!([{"type": "text", "text": "a", "x": 1, "text ": 2}, {"type": "refusal", "refusal": "b", "x": 3, "text": 4}]);
    let message = json!({"content": parts, "function_call": {"name": "f", "arguments": "{}", "x": 5}});
    let expected = json!([
        {"type": "text", "text": "a", "extensions": {"openai.x": 1}},
        {"type": "text", "text": "b", "extensions": {"openai.responses.refusal": true, "openai.x": 3}},
        {"type": "tool_use", "id": "call_0", "name": "f", "arguments": {}, "extensions": {"openai.function.x": 5}},
    ]);
    assert_eq!(blocks(&says(message)), expected);
}

#[test]
fn calls_go_back_with_what_came_with_them() {
    let function = json!({"name": "c", "arguments": "{}"});
    let call = json!({"id": "x", "type": "function", "function": function, "extra_content": {"google": 1}});
    let content = says(json!({"content": null, "tool_calls": [call]})).content;
    let bytes = OpenAi
        .encode(
            &Request::new([Message::new(Role::Assistant, content), Message::tool_result("x", "1")]),
            &fixture::provider(WireFormat::OpenAi, "http://localhost:8080/v1"),
            "m",
            false,
        )
        .unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(body["messages"][0], json!({"role": "assistant", "content": null, "tool_calls": [call]}));
}

#[test]
fn messages_in_all_shapes() {
    let image = json!({"type": "image_url", "image_url": {"url": "u"}});
    for (message, expected) in [
        (json!({"content": null, "tool_calls": null}), json!([])),
        (json!({"content": null, "tool_calls": [], "function_call": null}), json!([])),
        (json!({"content": ""}), json!([])),
        (json!({"tool_calls": []}), json!([])),
        (
            json!({"content": "a", "reasoning": "r"}),
            json!([{"type": "thinking", "text": "r"}, {"type": "text", "text": "a"}]),
        ),
        (json!({"content": [{"type": "text", "text": "a"}, image]}), json!([{"type": "text", "text": "a"}, image])),
        (json!({"reasoning_content": "r"}), json!([{"type": "thinking", "text": "r"}])),
    ] {
        assert_eq!(blocks(&says(message)), expected);
    }
}

#[test]
fn a_refusal_is_text_and_a_stop_reason() {
    for message in [
        json!({"content": null, "refusal": "I will not."}),
        json!({"content": [{"type": "refusal", "refusal": "I will not."}]}),
    ] {
        let decoded = says(message);
        let refusal = json!({"type": "text", "text": "I will not.", "extensions": {"openai.responses.refusal": true}});
        assert_eq!(blocks(&decoded), json!([refusal]));
        assert_eq!(decoded.stop_reason, StopReason::Refusal);
    }
}

#[test]
fn stop_reasons() {
    let calls = json!([{"function": {"name": "a", "arguments": ""}}]);
    let calls_again = calls.clone();
    for (word, calls, expected) in [
        (json!("stop"), json!(null), StopReason::EndTurn),
        (json!("stop"), calls.clone(), StopReason::ToolUse),
        (json!(null), json!([]), StopReason::EndTurn),
        (json!(null), calls.clone(), StopReason::ToolUse),
        (json!("tool_calls"), calls.clone(), StopReason::ToolUse),
        (json!("function_call"), json!(null), StopReason::ToolUse),
        (json!("length"), calls, StopReason::MaxTokens),
        (json!("content_filter"), json!(null), StopReason::ContentFilter),
        (json!("eos"), json!(null), StopReason::EndTurn),
        (json!("eos_token"), calls_again.clone(), StopReason::ToolUse),
        (json!("MAX_TOKENS"), calls_again, StopReason::MaxTokens),
        (json!("new"), json!(null), StopReason::Other("new".into())),
    ] {
        let body = json!({"choices": [{"message": {"content": null, "tool_calls": calls}, "finish_reason": word}]});
        assert_eq!(decode(body).unwrap().stop_reason, expected, "{word}");
    }
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let message = |message: Value| json!({"choices": [{"message": message}]});
    let call = |function: Value| message(json!({"tool_calls": [{"function": function}]}));
    for (body, says) in [
        (json!([]), "the body is not an object"),
        (json!({}), "the body has no `choices`"),
        (json!({"choices": {}}), "choices is not a list"),
        (json!({"choices": [1]}), "choices[0] has no `message`"),
        (json!({"choices": [{"message": "x"}]}), "choices[0].message is not an object"),
        (message(json!({"role": "assistant"})), "choices[0].message has no `content`"),
        (message(json!({"content": 1})), "choices[0].message.content is neither a string nor a list"),
        (message(json!({"content": [{"type": "text"}]})), "choices[0].message.content[0] has no `text`"),
        (message(json!({"tool_calls": {}})), "choices[0].message.tool_calls is not a list"),
        (message(json!({"tool_calls": [{}]})), "choices[0].message.tool_calls[0] has no `function`"),
        (call(json!({"arguments": ""})), "choices[0].message.tool_calls[0].function has no `name`"),
        (
            call(json!({"name": "a", "arguments": "{\"b\": "})),
            "choices[0].message.tool_calls[0].function.arguments is not a JSON object: {\"b\": ",
        ),
    ] {
        assert_eq!(malformed(body), says);
    }
}

#[test]
fn an_error_with_a_good_status_is_an_error() {
    let limited = json!({"message": "slow down", "code": 429});
    let as_error = |status: u16, error: &Value| Err(Unreadable::Error { status, body: json!({"error": error}) });
    assert_eq!(decode(json!({"error": limited})), as_error(429, &limited));
    assert_eq!(decode(json!({"choices": [{"error": limited, "message": {"content": ""}}]})), as_error(429, &limited));
    let quota = json!({"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"});
    assert_eq!(decode(json!({"error": quota, "choices": null})), as_error(429, &quota));
    let odd = json!({"message": "odd"});
    assert_eq!(decode(json!({"error": odd})), as_error(500, &odd));
    assert_eq!(decode(json!({"error": "odd", "choices": []})), as_error(500, &json!("odd")));
    assert_eq!(decode(json!({"choices": [{"error": odd}]})), as_error(500, &odd));
    let old = json!({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400});
    assert_eq!(decode(old.clone()), as_error(400, &old));
    for none in [json!(null), json!({}), json!(""), json!(false)] {
        assert!(decode(json!({"error": none, "choices": [{"message": {"content": "a"}, "error": none}]})).is_ok());
    }
}

#[test]
fn no_choices_are_no_answer_unless_they_cost_something() {
    for body in
        [json!({"choices": null}), json!({"choices": []}), json!({"choices": [], "usage": {"prompt_tokens": 0}})]
    {
        let Err(Unreadable::NoAnswer(malformed)) = decode(body.clone()) else { panic!("{body}") };
        assert_eq!(malformed.0, "the body has no answer in `choices`");
    }
    let decoded = decode(json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})).unwrap();
    assert_eq!((decoded.content, decoded.usage.total_tokens), (vec![], 7));
}

#[test]
fn an_answer_that_says_why_it_ended_may_be_empty() {
    let usage =
        json!({"prompt_tokens": 3, "completion_tokens": 16, "completion_tokens_details": {"reasoning_tokens": 16}});
    for message in [json!({"role": "assistant"}), json!({}), json!(null)] {
        let body = json!({"choices": [{"message": message, "finish_reason": "length"}], "usage": usage});
        let decoded = decode(body).unwrap();
        assert_eq!((decoded.content, decoded.stop_reason), (vec![], StopReason::MaxTokens));
        assert_eq!((decoded.usage.output_tokens, decoded.usage.reasoning_tokens), (16, Some(16)));
    }
}

#[test]
fn words_for_failure_are_errors() {
    for (word, status, code) in [
        ("error", 500, None),
        ("insufficient_system_resource", 503, None),
        ("timeout", 504, None),
        ("model_context_window_exceeded", 400, Some("context_length_exceeded")),
    ] {
        let body = json!({"choices": [{"message": {"content": "a"}, "finish_reason": word}]});
        let Err(Unreadable::Ended { error, received }) = decode(body) else { panic!("{word}") };
        assert_eq!(received, [ContentBlock::text("a")]);
        let Unreadable::Error { status: found, body } = *error else { panic!("{word}") };
        assert_eq!((found, body["error"]["code"].as_str()), (status, code), "{word}");
        assert!(body["error"]["message"].as_str().unwrap().contains(word), "{body}");
    }
}

#[test]
fn the_old_field_for_a_call_is_one_call() {
    let function = json!({"name": "a", "arguments": "{\"b\": 1}"});
    let call = json!([{"type": "tool_use", "id": "call_0", "name": "a", "arguments": {"b": 1}}]);
    let decoded = says(json!({"content": null, "function_call": function}));
    assert_eq!((blocks(&decoded), decoded.stop_reason), (call, StopReason::ToolUse));
    let both = says(json!({"function_call": function, "tool_calls": [{"id": "x", "function": function}]}));
    assert_eq!(both.content.len(), 1);
    assert_eq!(says(json!({"content": "", "function_call": {"name": null}})).content, []);
}

#[test]
fn calls_come_in_the_order_of_their_index() {
    let call = |index: u64, id: &str| json!({"index": index, "id": id, "function": {"name": "f", "arguments": "{}"}});
    for (first, second, expected) in [(1, 0, ["b", "a"]), (0, 1, ["a", "b"]), (0, 0, ["a", "b"])] {
        let decoded = says(json!({"tool_calls": [call(first, "a"), null, call(second, "b")]}));
        let ids = decoded.content.iter().map(|block| match block {
            ContentBlock::ToolUse(call) => call.id.as_str(),
            other => panic!("{other:?}"),
        });
        assert_eq!(ids.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn counts_under_all_their_names() {
    let counts = |usage: Value| decode(json!({"choices": [], "usage": usage})).unwrap().usage;
    let usage = counts(json!({
        "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }));
    assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (Some(30), Some(40)));
    assert_eq!((usage.output_tokens, usage.reasoning_tokens), (20, Some(5)));
    let usage = counts(json!({"prompt_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 3}));
    assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (Some(2), Some(3)));
    // xAI counts reasoning beside the output.
    let usage = counts(json!({
        "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 420,
        "completion_tokens_details": {"reasoning_tokens": 300},
    }));
    assert_eq!((usage.output_tokens, usage.total_tokens, usage.reasoning_tokens), (320, 420, Some(300)));
}
