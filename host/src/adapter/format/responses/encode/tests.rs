use serde_json::{Value, json};

use crate::{
    adapter::{format::table::format, http::fixture},
    chat::{request::Request, wire_format::WireFormat},
    config::{provider::ProviderConfig, quirks::Quirks},
};

fn provider() -> ProviderConfig {
    fixture::provider(WireFormat::OpenAiResponses, "http://localhost:8080/v1")
}

fn written_with(provider: &ProviderConfig, model: &str, request: Value) -> Result<Value, String> {
    let request: Request = serde_json::from_value(request).unwrap();
    let body = format(WireFormat::OpenAiResponses).encode(&request, provider, model, false);
    body.map(|body| serde_json::from_slice(&body).unwrap()).map_err(|error| error.to_string())
}

fn written(request: Value) -> Value {
    written_with(&provider(), "m", request).unwrap()
}

fn refused(request: Value) -> String {
    written_with(&provider(), "m", request).unwrap_err()
}

/// The items for these messages.
fn input(messages: Value) -> Value {
    written(json!({"messages": messages}))["input"].take()
}

/// What these options add to the body.
fn added(options: Value) -> Value {
    let tools = json!([{"name": "look"}]);
    let mut body =
        written(json!({"messages": [{"role": "user", "content": "Hi"}], "options": options, "tools": tools}));
    for plain in ["model", "input", "tools", "store", "include"] {
        body.as_object_mut().unwrap().remove(plain);
    }
    body
}

#[test]
fn a_small_request() {
    let body =
        written(json!({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]}));
    let expected = json!({
        "model": "m",
        "input": [
            {"type": "message", "role": "system", "content": "Be brief."},
            {"type": "message", "role": "user", "content": "Hi"},
        ],
        "store": false,
        "include": ["reasoning.encrypted_content"],
    });
    assert_eq!(body, expected);
}

/// OpenAI refuses it for models that do not reason.
#[test]
fn encrypted_reasoning_is_asked_of_models_that_may_reason() {
    for (model, expected) in
        [("gpt-5", true), ("o3", true), ("m", true), ("gpt-4.1", false), ("gpt-5-chat-latest", false)]
    {
        let body = written_with(&provider(), model, json!({"messages": [{"role": "user", "content": "Hi"}]})).unwrap();
        assert_eq!(body.get("include").is_some(), expected, "{model}");
    }
}

#[test]
fn what_users_ask_with() {
    let content = json!([
        {"type": "text", "text": "Look"},
        {"type": "image", "media_type": "image/png", "data": "iVBORw0K"},
        {"type": "image", "url": "https://example.com/a.png", "extensions": {"openai.responses.detail": "low"}},
        {"type": "image", "file": "file-1"},
        {"type": "document", "media_type": "application/pdf", "data": "JVBERg==", "name": "a.pdf"},
        {"type": "document", "url": "https://example.com/a.pdf"},
        {"type": "document", "file": "file-2"},
        {"type": "document", "media_type": "text/plain", "data": "SGk=", "name": "n"},
        {"type": "image_url", "image_url": {"url": "https://example.com/b.png", "detail": "high"}},
        {"type": "file", "file": {"file_id": "file-3"}},
        {"type": "input_file", "file_id": "file-4"},
    ]);
    let expected = json!([
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0K"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        {"type": "input_file", "file_id": "file-2"},
        {"type": "input_text", "text": "n\n\nHi"},
        {"type": "input_image", "image_url": "https://example.com/b.png", "detail": "high"},
        {"type": "input_file", "file_id": "file-3"},
        {"type": "input_file", "file_id": "file-4"},
    ]);
    assert_eq!(input(json!([{"role": "user", "content": content}]))[0]["content"], expected);
    for (block, problem) in [
        (json!({"type": "audio", "media_type": "audio/wav", "data": "aGk="}), "a recording"),
        (json!({"type": "input_audio", "input_audio": {}}), "a recording"),
        (json!({"type": "web_search_tool_result"}), "which only Anthropic's format has"),
        (json!({"type": "image", "source": {"type": "new"}}), "a source of the type"),
    ] {
        let error = refused(json!({"messages": [{"role": "user", "content": [block]}]}));
        assert!(error.starts_with("messages[0] has") && error.contains(problem), "{error}");
    }
}

#[test]
fn an_item_in_the_json_of_the_format_stands_between_messages() {
    let output = json!({"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot"}});
    let content = json!([{"type": "text", "text": "a"}, output, {"type": "text", "text": "b"}]);
    let expected = json!([
        {"type": "message", "role": "user", "content": "a", "id": "msg_1"},
        output,
        {"type": "message", "role": "user", "content": "b", "id": "msg_1"},
    ]);
    let extensions =
        json!({"openai.responses.id": "msg_1", "openai.name": "left out", "openai.responses.Role": "system"});
    assert_eq!(input(json!([{"role": "user", "content": content, "extensions": extensions}])), expected);
}

#[test]
fn a_tool_loop() {
    let calls = json!([
        {"type": "thinking", "text": "Hm.", "signature": "e", "provider": "here"},
        {"type": "text", "text": "Let me"},
        {"type": "text", "text": " look."},
        {"type": "tool_use", "id": "a", "name": "look", "arguments": {"at": 1}},
        {"type": "tool_use", "id": "b", "name": "look", "arguments": {"input": "x"}, "extensions": {"openai.responses.custom": true}},
        {"type": "tool_use", "id": "c", "name": "look", "arguments": {}},
    ]);
    let results = json!([
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]},
        {"type": "tool_result", "tool_use_id": "b", "content": [
            {"type": "text", "text": "3"}, {"type": "image", "media_type": "image/png", "data": "iVBORw0K"},
        ]},
        {"type": "tool_result", "tool_use_id": "c", "content": [], "is_error": true},
    ]);
    let items = input(json!([
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": calls}, {"role": "tool", "content": results},
    ]));
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,iVBORw0K"});
    let expected = json!([
        {"type": "message", "role": "user", "content": "Hi"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "e"},
        {"type": "message", "role": "assistant", "content": "Let me look."},
        {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{\"at\":1}"},
        {"type": "custom_tool_call", "call_id": "b", "name": "look", "input": "x"},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1\n2"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "3"}, image]},
        {"type": "function_call_output", "call_id": "c", "output": "error"},
    ]);
    assert_eq!(items, expected);
}

#[test]
fn reasoning_goes_back_only_to_its_author_and_not_at_the_end() {
    let said = |thinking: Value| {
        let content = json!([thinking, {"type": "text", "text": "a"}]);
        let items = input(json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": content}]));
        items[1].clone()
    };
    let answer = json!({"type": "message", "role": "assistant", "content": "a"});
    for (thinking, comes_back) in [
        (json!({"type": "thinking", "text": "Hm.", "signature": "e", "provider": "here"}), true),
        (json!({"type": "thinking", "text": "Hm.", "signature": "e"}), false),
        (json!({"type": "thinking", "text": "Hm.", "signature": "e", "provider": "there"}), false),
        (json!({"type": "thinking", "text": "Hm."}), false),
        (json!({"type": "thinking", "redacted": "d"}), false),
        (json!({"type": "thinking", "text": "Hm.", "extensions": {"openai.responses.id": "rs_1"}}), true),
    ] {
        assert_eq!(said(thinking.clone()) != answer, comes_back, "{thinking}");
    }
    let cut = json!([{"type": "text", "text": "a"}, {"type": "thinking", "text": "Hm.", "signature": "e", "provider": "here"}]);
    let items = input(json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": cut}]));
    assert_eq!(items.as_array().unwrap().len(), 2);
}

#[test]
fn system_messages_where_the_provider_takes_them() {
    let messages = json!([
        {"role": "system", "content": "a"}, {"role": "user", "content": "Hi"}, {"role": "system", "content": "b"},
    ]);
    let roles = |items: &Value| -> Vec<String> {
        items.as_array().unwrap().iter().map(|item| item["role"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(roles(&input(messages.clone())), ["system", "user", "system"]);
    let mut first = provider();
    first.quirks = Quirks { system: Some(crate::config::quirks::SystemPlace::First), ..Quirks::default() };
    let items = written_with(&first, "m", json!({"messages": messages})).unwrap()["input"].take();
    assert_eq!(items[0], json!({"type": "message", "role": "system", "content": "a\n\nb"}));
    assert_eq!(roles(&items), ["system", "user"]);
    assert!(refused(json!({"messages": []})).contains("says nothing to the model"));
}

#[test]
fn tools() {
    let tools = json!([
        {"name": "a", "description": "d", "parameters": {"type": "object"}},
        {"name": "b", "strict": true},
        {"type": "web_search"},
        {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}},
        {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "a"}]},
    ]);
    let ask = |tools: &Value, options: Value| json!({"messages": [{"role": "user", "content": "Hi"}], "tools": tools, "options": options});
    let least = json!({"type": "object", "properties": {}});
    let closed = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let expected = json!([
        {"type": "function", "name": "a", "description": "d", "parameters": least, "strict": false},
        {"type": "function", "name": "b", "parameters": closed, "strict": true},
        {"type": "web_search"},
        {"type": "custom", "name": "c", "format": {"type": "text"}},
        {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "a"}]},
    ]);
    assert_eq!(written(ask(&tools, json!({})))["tools"], expected);
    for (choice, expected) in [
        (json!("required"), json!("required")),
        (json!({"tool": "a"}), json!({"type": "function", "name": "a"})),
        (json!({"tool": "c"}), json!({"type": "custom", "name": "c"})),
        (json!({"type": "function", "function": {"name": "a"}}), json!({"type": "function", "name": "a"})),
        (json!({"type": "function", "name": "a"}), json!({"type": "function", "name": "a"})),
        (json!({"type": "web_search"}), json!({"type": "web_search"})),
        (
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "a"}}]}}),
            json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "a"}]}),
        ),
    ] {
        let body = written(ask(&tools, json!({"tool_choice": choice, "parallel_tool_calls": false})));
        assert_eq!((&body["tool_choice"], &body["parallel_tool_calls"]), (&expected, &json!(false)), "{choice}");
    }
    assert!(
        refused(ask(&tools, json!({"tool_choice": {"type": "function", "name": "z"}}))).contains("is the tool \"z\"")
    );
    assert!(refused(ask(&tools, json!({"tool_choice": {"type": "any"}}))).contains("in the format \"anthropic\""));
    let search = json!([{"type": "web_search_20250305", "name": "s"}]);
    assert!(refused(ask(&search, json!({}))).contains("providers of the format \"openai-responses\" do not run"));
}

#[test]
fn tools_of_this_format_are_added() {
    let search = json!({"type": "web_search"});
    let extensions = json!({"openai.responses.tools": [search], "openai.responses.tool_choice": search});
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let body = written(json!({"messages": messages, "tools": [{"name": "a"}], "extensions": extensions}));
    assert_eq!((&body["tools"][0]["name"], &body["tools"][1]), (&json!("a"), &search));
    assert_eq!(body["tool_choice"], search);
    let body = written(json!({"messages": messages, "extensions": extensions}));
    assert_eq!(body["tools"], json!([search]));
}

#[test]
fn options() {
    let schema = json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false});
    let text = json!({"format": {"type": "json_schema", "name": "it", "schema": schema, "strict": true}});
    for (options, expected) in [
        (
            json!({"max_tokens": 100, "temperature": 0.5, "top_p": 0.9}),
            json!({"max_output_tokens": 100, "temperature": 0.5, "top_p": 0.9}),
        ),
        (json!({"max_tokens": 1}), json!({"max_output_tokens": 16})),
        (json!({"seed": 7, "top_k": 5}), json!({})),
        (json!({"user": "u", "metadata": {"a": "b"}}), json!({"user": "u", "metadata": {"a": "b"}})),
        (json!({"output": "json"}), json!({"text": {"format": {"type": "json_object"}}})),
        (json!({"output": {"json_schema": {"name": "it", "schema": schema, "strict": true}}}), json!({"text": text})),
        (
            json!({"output": {"type": "json_schema", "json_schema": {"name": "it", "schema": schema, "strict": true}}}),
            json!({"text": text}),
        ),
        (json!({"output": text["format"]}), json!({"text": text})),
        (json!({"reasoning": "low"}), json!({"reasoning": {"effort": "low"}})),
        (json!({"reasoning": {"budget_tokens": 3000}}), json!({"reasoning": {"effort": "medium"}})),
        (json!({"reasoning": "off"}), json!({})),
        (
            json!({"reasoning": {"effort": "low", "summary": "auto"}}),
            json!({"reasoning": {"effort": "low", "summary": "auto"}}),
        ),
        (
            json!({"reasoning": "low", "output": "json", "extensions": {
                "openai.responses.reasoning": {"summary": "auto"}, "openai.responses.text": {"verbosity": "low"},
            }}),
            json!({"reasoning": {"effort": "low", "summary": "auto"}, "text": {"format": {"type": "json_object"}, "verbosity": "low"}}),
        ),
        (
            json!({"extensions": {"openai.service_tier": "flex", "openai.logit_bias": {}, "openai.responses.truncation": "auto"}}),
            json!({"service_tier": "flex", "truncation": "auto"}),
        ),
    ] {
        assert_eq!(added(options.clone()), expected, "{options}");
    }
    let ask = |options: Value| json!({"messages": [{"role": "user", "content": "Hi"}], "options": options});
    let include = json!({"extensions": {"openai.responses.include": ["file_search_call.results", "reasoning.encrypted_content"]}});
    let expected = json!(["reasoning.encrypted_content", "file_search_call.results"]);
    assert_eq!(written(ask(include))["include"], expected);
    for (options, problem) in [
        (json!({"stop": ["x"]}), "options.stop"),
        (json!({"reasoning": "lwo"}), "options.reasoning is \"lwo\""),
        (json!({"reasoning": {"type": "enabled"}}), "in Anthropic's format"),
        (json!({"output": {"type": "json_schema", "schema": schema}}), "in Anthropic's format"),
        (json!({"extensions": {"openai.responses.Input": []}}), "would set `Input`"),
        (json!({"extensions": {"openai.responses.store": true}}), "would set `store`"),
    ] {
        let error = refused(ask(options));
        assert!(error.contains(problem), "{error}");
    }
    let mut without = provider();
    without.quirks.refuses = Some(["stop".to_owned()].into());
    assert!(written_with(&without, "m", ask(json!({"stop": ["x"]}))).is_ok());
}

#[test]
fn the_other_formats_do_not_get_its_fields() {
    let item = json!({"openai.responses.item": {"id": "msg_1"}, "openai.responses.annotations": [1]});
    let messages = json!([
        {"role": "user", "content": "Hi", "extensions": {"openai.responses.id": "msg_0"}},
        {"role": "assistant", "content": [
            {"type": "text", "text": "a", "extensions": item}, {"type": "web_search_call", "id": "ws_1"},
        ]},
        {"role": "user", "content": "And?"},
    ]);
    let request: Request = serde_json::from_value(json!({
        "messages": messages, "extensions": {"openai.responses.truncation": "auto"},
    }))
    .unwrap();
    for wire_format in [WireFormat::Anthropic, WireFormat::OpenAi] {
        let provider = fixture::provider(wire_format, "http://localhost:1");
        let body = String::from_utf8(format(wire_format).encode(&request, &provider, "m", false).unwrap()).unwrap();
        for part in ["msg_", "ws_1", "annotations", "truncation", "responses"] {
            assert!(!body.contains(part), "{part}: {body}");
        }
    }
}
