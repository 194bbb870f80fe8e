//! Requests that are wrong: a 400 that names the place.

use arcllm_simulator::Format;
use serde_json::{Value, json};

use super::stage::{gateway, question};

#[tokio::test]
async fn a_wrong_field_is_named() {
    let (gateway, provider) = gateway(Format::OpenAi, []).await;
    let message = |message: Value| json!({"messages": [{"role": "user", "content": "Hi"}, message]});
    let part = |part: Value| message(json!({"role": "user", "content": [part]}));
    let answer = |fields: Value| {
        let mut answer = json!({"role": "assistant"});
        answer.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        message(answer)
    };
    let call = |call: Value| answer(json!({"tool_calls": [call]}));
    let tool = |tool: Value| json!({"tools": [tool]});
    for (fields, place) in [
        (json!({"model": null}), "model"),
        (json!({"model": 1}), "model"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"stream_options": {"include_usage": 1}}), "stream_options.include_usage"),
        (json!({"messages": "Hi"}), "messages"),
        (json!({"messages": ["Hi"]}), "messages[0]"),
        (message(json!({"content": "Hi"})), "messages[1].role"),
        (message(json!({"role": "robot", "content": "Hi"})), "messages[1].role"),
        (message(json!({"role": "user"})), "messages[1].content"),
        (message(json!({"role": "user", "content": 1})), "messages[1].content"),
        (message(json!({"role": "tool", "content": "1"})), "messages[1].tool_call_id"),
        (part(json!("Hi")), "messages[1].content[0]"),
        (part(json!({"text": "Hi"})), "messages[1].content[0].type"),
        (part(json!({"type": "text", "text": 1})), "messages[1].content[0].text"),
        (part(json!({"type": "image_url"})), "messages[1].content[0].image_url"),
        (part(json!({"type": "image_url", "image_url": {"url": 1}})), "messages[1].content[0].image_url.url"),
        (
            part(json!({"type": "image_url", "image_url": "data:image/png;base64,?"})),
            "messages[1].content[0].image_url.url",
        ),
        (part(json!({"type": "image_url", "image_url": "data:,Hi"})), "messages[1].content[0].image_url.url"),
        (part(json!({"type": "file", "file": {}})), "messages[1].content[0].file"),
        (
            part(json!({"type": "input_audio", "input_audio": {"data": "QUJD"}})),
            "messages[1].content[0].input_audio.format",
        ),
        (answer(json!({"content": "a", "refusal": 1})), "messages[1].refusal"),
        (answer(json!({"tool_calls": {}})), "messages[1].tool_calls"),
        (call(json!({"function": {"name": "f"}})), "messages[1].tool_calls[0].id"),
        (call(json!({"id": "c"})), "messages[1].tool_calls[0].function"),
        (call(json!({"id": "c", "type": "new"})), "messages[1].tool_calls[0].type"),
        (call(json!({"id": "c", "function": {}})), "messages[1].tool_calls[0].function.name"),
        (
            call(json!({"id": "c", "function": {"name": "f", "arguments": 1}})),
            "messages[1].tool_calls[0].function.arguments",
        ),
        (tool(json!("look")), "tools[0]"),
        (tool(json!({"type": "function"})), "tools[0].function"),
        (
            tool(json!({"type": "function", "function": {"name": "f", "parameters": []}})),
            "tools[0].function.parameters",
        ),
        (tool(json!({"type": "function", "function": {"name": "f", "strict": 1}})), "tools[0].function.strict"),
        (json!({"tool_choice": "maybe"}), "tool_choice"),
        (json!({"tool_choice": {"type": "function", "function": {}}}), "tool_choice.function.name"),
        (json!({"parallel_tool_calls": 1}), "parallel_tool_calls"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"max_completion_tokens": 1.5}), "max_completion_tokens"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"stop": 1}), "stop"),
        (json!({"stop": ["a", 1]}), "stop[1]"),
        (json!({"seed": 1.5}), "seed"),
        (json!({"metadata": []}), "metadata"),
        (json!({"reasoning_effort": 1}), "reasoning_effort"),
        (json!({"response_format": "json"}), "response_format"),
        (json!({"response_format": {"type": "json_schema"}}), "response_format.json_schema"),
        (
            json!({"response_format": {"type": "json_schema", "json_schema": {"schema": 1}}}),
            "response_format.json_schema.schema",
        ),
        (json!({"n": "two"}), "n"),
    ] {
        let answer = gateway.ask(&question(fields.clone())).await;
        assert_eq!(answer.status, 400, "{fields}: {}", answer.text);
        let error = answer.json()["error"].take();
        assert_eq!(error["param"], place, "{fields}: {error}");
        assert!(error["message"].as_str().unwrap().starts_with(&format!("{place}: ")), "{fields}: {error}");
    }
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_json_is_named() {
    let (gateway, _provider) = gateway(Format::OpenAi, []).await;
    for (body, what) in [
        (&b""[..], "is empty"),
        (b"{", "is not JSON"),
        (b"{}}", "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[]", "must be an object"),
        (b"null", "must be an object"),
        (b"{}", "model: is missing"),
        (b"{\"model\": \"a\"}", "messages: is missing"),
    ] {
        let answer = gateway.post(body).await;
        let text = String::from_utf8_lossy(body);
        assert_eq!(answer.status, 400, "{text}: {}", answer.text);
        let error = answer.json()["error"].take();
        assert_eq!(error["type"], "invalid_request_error", "{text}: {error}");
        assert!(error["message"].as_str().unwrap().contains(what), "{text}: {error}");
        assert_eq!(error["param"], what.split_once(": ").map_or("body", |(place, _)| place), "{text}: {error}");
    }
}
