//! What the gateway does not do, and what is wrong in a request.

use arcllm_simulator::{Format, Reply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::serve::responses::stage::{FORMATS, Stage, question};

#[tokio::test]
async fn name_the_place() {
    let stage = Stage::new().await;
    let message = |content: Value| json!({"input": [{"role": "user", "content": content}]});
    let tools = |tools: Value| json!({"input": "Hi", "tools": tools});
    let cases = [
        (json!({"input": 1}), "input", "not a number"),
        (json!({"input": ["Hi"]}), "input[0]", "must be an object"),
        (json!({"input": [{"content": "Hi"}]}), "input[0].type", "is missing"),
        (json!({"input": [{"role": "wizard", "content": "Hi"}]}), "input[0].role", "\"wizard\""),
        (message(json!([{"type": "input_text", "text": 1}])), "input[0].content[0].text", "must be a string"),
        (message(json!([{"type": "input_image", "image_url": {}}])), "input[0].content[0].image_url", "not an object"),
        (message(json!([{"type": "input_file", "file_data": "data:x;base64,?"}])), "input[0].content[0].file_data", ""),
        (
            json!({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}),
            "input[0].arguments",
            "is missing",
        ),
        (tools(json!([{"type": "function", "parameters": {}}])), "tools[0].name", "is missing"),
        (
            tools(json!([{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}])),
            "tools[0].tools[0].name",
            "",
        ),
        (json!({"input": "Hi", "tool_choice": "always"}), "tool_choice", "\"always\""),
        (json!({"input": "Hi", "max_output_tokens": -1}), "max_output_tokens", "from 0 on"),
        (
            json!({"input": "Hi", "text": {"format": {"type": "json_schema", "schema": {}}}}),
            "text.format.name",
            "is missing",
        ),
        (json!({"input": "Hi", "metadata": {"a": 1}}), "metadata.a", "must be a string"),
        (json!({"input": "Hi", "previous_response_id": "resp_1"}), "previous_response_id", "`store` to false"),
        (json!({"input": "Hi", "conversation": {"id": "c"}}), "conversation", "stores no conversations"),
        (json!({"input": "Hi", "background": true}), "background", "leave it out"),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0]", "`store` set to false"),
    ];
    for (body, param, words) in cases {
        let answer = stage.ask(Format::OpenAi, &Reply::text(""), false, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        let error = &answer.json()["error"];
        assert_eq!((&error["type"], &error["param"]), (&json!("invalid_request_error"), &json!(param)), "{body}");
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with(param) && message.contains(words), "{message}");
    }
    let answer = stage.gateway.send(Method::POST, "/v1/responses", &[], "{\"model\":").await;
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("body")), "{answer:?}");
}

#[tokio::test]
async fn answer_other_routes_in_words() {
    let stage = Stage::new().await;
    let websocket = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")];
    for (method, path, headers, status, words) in [
        (Method::GET, "/v1/responses/resp_1", &[][..], 404, "stores none"),
        (Method::DELETE, "/v1/responses/resp_1", &[], 404, "stores none"),
        (Method::GET, "/v1/responses/resp_1/input_items", &[], 404, "stores none"),
        (Method::GET, "/v1/responses", &[], 405, "send POST"),
        (Method::GET, "/responses", &websocket, 426, "no WebSocket"),
    ] {
        let answer = stage.gateway.send(method.clone(), path, headers, "").await;
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, status, "{method} {path}: {message}");
        assert!(message.contains(words), "{message}");
    }
    let unknown = stage.gateway.post("/responses", &json!({"model": "nobody", "input": "Hi"})).await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!("model_not_found")));
}

#[tokio::test]
async fn have_the_same_shape_for_all_providers() {
    let stage = Stage::new().await;
    for format in FORMATS {
        for (status, kind, code) in [
            (429, "rate_limit_error", "rate_limit_exceeded"),
            (401, "invalid_request_error", "invalid_api_key"),
            (503, "server_error", "server_is_overloaded"),
        ] {
            let answer = stage.ask(format, &Reply::error(status, "no luck"), true, question()).await;
            assert_eq!(answer.status, status, "{format}: {answer:?}");
            let error = &answer.json()["error"];
            assert_eq!((&error["type"], &error["code"]), (&json!(kind), &json!(code)), "{format}");
            assert!(error["message"].as_str().unwrap().contains("no luck"), "{error}");
            assert_eq!(answer.headers.contains_key("retry-after"), status == 429, "{format}: {status}");
        }
    }
}
