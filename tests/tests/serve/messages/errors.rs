//! Errors in Anthropic's shape.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::stage::{ALL, gateway, question};

#[tokio::test]
async fn errors_of_providers() {
    for format in ALL {
        for (status, kind) in [
            (400, "invalid_request_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (413, "request_too_large"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (529, "overloaded_error"),
        ] {
            let reply = || Reply::error(status, "the provider says no");
            let (gateway, _provider) = gateway(format, [reply(), reply()]).await;
            for stream in [false, true] {
                let answer = gateway.ask(&question(json!({"stream": stream}))).await;
                let error = answer.json();
                assert_eq!((answer.status, &error["type"]), (status, &json!("error")), "{format}");
                assert_eq!(error["error"]["type"], kind, "{format} {status}");
                assert!(error["error"]["message"].as_str().unwrap().contains("the provider says no"), "{error}");
                assert_eq!(answer.headers.contains_key("retry-after"), status == 429, "{format} {status}");
            }
        }
    }
}

#[tokio::test]
async fn fields_of_a_wrong_type_name_their_place() {
    let message = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let (gateway, provider) = gateway(Format::Anthropic, []).await;
    for (fields, place) in [
        (json!({"messages": "Hi"}), "messages"),
        (json!({"messages": null}), "messages"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (json!({"messages": [{"role": "robot", "content": "Hi"}]}), "messages[0].role"),
        (message(json!([{"type": "text", "text": 1}])), "messages[0].content[0].text"),
        (message(json!([{"text": "Hi"}])), "messages[0].content[0].type"),
        (message(json!([{"type": "image"}])), "messages[0].content[0].source"),
        (message(json!([{"type": "tool_use", "id": "a", "name": "b", "input": "c"}])), "messages[0].content[0].input"),
        (
            message(json!([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}])),
            "messages[0].content[0].content[0].text",
        ),
        (json!({"system": 1}), "system"),
        (json!({"max_tokens": "many"}), "max_tokens"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"stop_sequences": [1]}), "stop_sequences[0]"),
        (json!({"tools": [{"description": "no name"}]}), "tools[0].name"),
        (json!({"tool_choice": "auto"}), "tool_choice"),
        (json!({"thinking": {"type": 1}}), "thinking.type"),
        (json!({"metadata": {"user_id": 1}}), "metadata.user_id"),
        (json!({"output_config": {"format": {"type": "json_schema"}}}), "output_config.format.schema"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"model": 1}), "model"),
    ] {
        let answer = gateway.ask(&question(fields.clone())).await;
        let error = answer.json();
        assert_eq!((answer.status, &error["error"]["type"]), (400, &json!("invalid_request_error")), "{fields}");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{place}: ")), "{place}: {message}");
    }
    assert!(provider.requests().is_empty());
    let answer = gateway.ask(&question(json!({"model": "nothing-like-it"}))).await;
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (404, &json!("not_found_error")));
}
