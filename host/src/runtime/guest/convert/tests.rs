use std::time::Duration;

use serde_json::json;

use super::{
    error::{error_in, error_out},
    request::{self, request_in, request_out},
    response::{response_in, response_out},
};
use crate::{
    chat::{
        allowance::Allowances,
        error::ErrorKind,
        failure::{ApiError, Failure},
        reason::ErrorReason,
        request::Request,
        response::Response,
    },
    runtime::guest::bindings::arcllm::llm::types as wit,
};

/// A request with every kind of block, role, choice and setting, and `extensions` at each place.
fn request() -> Request {
    serde_json::from_value(json!({
        "messages": [
            {"role": "system", "content": "Be brief.", "extensions": {"a.b": {"c": [1, null]}}},
            {"role": "user", "content": [
                {"type": "text", "text": "Look", "cache": true, "extensions": {"anthropic.x": {"type": "ephemeral"}}},
                {"type": "image", "media_type": "image/png", "data": "iVBORw0KGgo="},
                {"type": "image", "url": "https://example.com/a.png", "cache": {"ttl_seconds": 3600.5, "extensions": {"a.b": 1}}},
                {"type": "document", "media_type": "application/pdf", "data": "aGk=", "name": "a.pdf"},
                {"type": "document", "file": "file-1"},
                {"type": "audio", "media_type": "audio/wav", "data": "aGk="},
                {"type": "image", "source": {"file_id": "f1"}},
                {"type": "video", "title": "unknown here"},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "text": "Hm.", "signature": "s", "provider": "p"},
                {"type": "thinking", "redacted": "opaque"},
                {"type": "tool_use", "id": "t1", "name": "weather", "arguments": {"z": 1, "a": {"deep": true}}},
            ]},
            {"role": "tool", "content": [{"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [
                {"type": "text", "text": "no"},
                {"type": "image", "url": "https://example.com/b.png"},
                {"type": "document", "media_type": "text/plain", "data": "aGk="},
                {"type": "audio", "file": "f"},
                {"type": "search_result", "x": 1},
            ]}]},
        ],
        "tools": [{"name": "weather", "description": "Of a place", "strict": true, "cache": true, "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}},
            {"type": "web_search_20250305", "name": "web_search"}],
        "options": {
            "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "tool_choice": {"tool": "weather"},
            "seed": -9223372036854775808i64, "labels": {"team": "a"}, "metadata": {"user_id": "u"}, "user": "u",
            "top_k": 3, "parallel_tool_calls": false, "reasoning": {"budget_tokens": 1024},
            "output": {"json_schema": {"name": "a", "description": "b", "schema": {"type": "object"}, "strict": false}},
            "extensions": {"openai.x": "u"},
        },
        "extensions": {"kit.note": "kept"},
    }))
    .expect("a request")
}

#[test]
fn a_request_survives_the_way_there_and_back() {
    let request = request();
    assert_eq!(request_in(request_out(&request)), request);
}

#[test]
fn a_response_survives_the_way_there_and_back() {
    let response = Response {
        content: request().messages.remove(2).content,
        usage: serde_json::from_value(json!({
            "input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cache_read_tokens": 4, "cache_write_tokens": 5, "cache_write_hour_tokens": 2,
            "reasoning_tokens": 6, "extensions": {"anthropic.x": 7},
        }))
        .expect("usage"),
        stop_reason: "something_new".to_owned().into(),
        model: "m".into(),
        provider: "p".into(),
        request_id: Some("r".into()),
        trail: Vec::new(),
        notes: Vec::new(),
        extensions: [("anthropic.id".to_owned(), json!("x"))].into(),
        original: crate::chat::original::KeptOriginal::default(),
        allowances: Allowances::new(),
    };
    assert_eq!(response_in(response_out(&response), response.request_id.clone()), response);
}

#[test]
fn every_error_survives_the_way_there_and_back() {
    let failure =
        || Failure { extensions: [("a.b".to_owned(), json!([1]))].into(), ..Failure::new("p", "what happened") };
    let api = ApiError {
        status: 529,
        reason: ErrorReason::Quota,
        message: "busy".into(),
        provider: "p".into(),
        model: "m".into(),
        request_id: Some("r".into()),
        retry_after: Some(Duration::from_nanos(1_234_567_891)),
        should_retry: Some(false),
        extensions: [("a.b".to_owned(), json!({}))].into(),
        allowances: Allowances::new(),
    };
    for error in [
        ErrorKind::Api(api),
        ErrorKind::Connection(failure()),
        ErrorKind::Timeout(failure()),
        ErrorKind::Parse(failure()),
        ErrorKind::Config(Box::new(failure().into())),
        ErrorKind::Usage(failure()),
        ErrorKind::Module(failure()),
        ErrorKind::Cancelled,
        ErrorKind::DeadlineExceeded,
        ErrorKind::Other(failure()),
    ] {
        assert_eq!(error_in(error_out(error.clone())), error);
    }
}

#[test]
fn an_empty_message_becomes_a_sentence() {
    let failure = wit::Failure { message: " ".into(), provider: String::new(), extensions: vec![] };
    assert!(error_in(wit::Error::Other(failure)).to_string().contains("no reason was given"));
}

#[test]
fn large_json_in_an_error_stays_text() {
    let error = |json: &str| {
        let extensions = vec![("a.b".to_owned(), json.to_owned()), ("c.d".to_owned(), "[1]".to_owned())];
        let failure = wit::Failure { message: "so".into(), provider: "p".into(), extensions };
        match error_in(wit::Error::Other(failure)) {
            ErrorKind::Other(failure) => failure.extensions,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(error("[[]]")["a.b"], json!([[]]));
    let nested = format!("[{}[]]", "[[[0]]],".repeat(1000));
    assert_eq!(error(&nested)["a.b"], json!(nested), "it stays text");
    assert_eq!(error(&nested)["c.d"], json!("[1]"), "so does other JSON of the same error");
}

#[test]
fn text_that_is_not_json_is_kept() {
    let call = wit::ToolCall {
        id: "t".into(),
        name: "n".into(),
        arguments: "not json".into(),
        cache: None,
        extensions: vec![],
    };
    let parts = wit::Message {
        role: wit::Role::Assistant,
        content: vec![wit::ContentBlock::ToolUse(call), wit::ContentBlock::Other("{broken".into())],
        extensions: vec![("a.b".into(), "[".into())],
    };
    let message = request::message_in(parts);
    let json = serde_json::to_value(&message).expect("JSON");
    assert_eq!(json["content"][0]["arguments"], json!({"arguments": "not json"}));
    assert_eq!(json["content"][1], json!({"type": "other", "json": "{broken"}));
    assert_eq!(json["extensions"], json!({"a.b": "["}));
}
