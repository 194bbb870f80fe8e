//! What a conversation is to providers of each format.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::stage::{UPSTREAMS, exchange, gateway, question, without, written_anew};

async fn sent(format: Format, fields: Value) -> Value {
    let body = exchange(format, Reply::text("Hi"), question(fields.clone())).await.sent.body;
    if format == Format::Anthropic && !fields["messages"].to_string().contains("\"signature\":\"\"") {
        let anew = written_anew("claude-opus-4-8", question(fields)).await;
        assert_eq!(as_blocks(anew), as_blocks(body.clone()), "the same, if it is written anew");
    }
    body
}

/// The body without its model. A text says the same as a block with it.
fn as_blocks(body: Value) -> Value {
    let mut body = without(body, &["model"]);
    for message in body["messages"].as_array_mut().unwrap() {
        if let Some(text) = message["content"].as_str() {
            message["content"] = json!([{"type": "text", "text": text}]);
        }
    }
    body
}

#[tokio::test]
async fn system_prompts() {
    for (system, openai) in [
        (json!("Be brief."), "Be brief."),
        (
            json!([
                {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "text", "text": "Be kind."},
            ]),
            "Be brief.\n\nBe kind.",
        ),
    ] {
        let body = sent(Format::Anthropic, json!({"system": system})).await;
        assert_eq!(body["system"], system);
        let body = sent(Format::OpenAi, json!({"system": system})).await;
        assert_eq!(body["messages"][0], json!({"role": "system", "content": openai}));
    }
}

#[tokio::test]
async fn system_within_the_messages() {
    for content in [
        json!("Mind the time."),
        json!([{"type": "text", "text": "Mind the time.", "cache_control": {"type": "ephemeral"}}]),
    ] {
        let messages = json!([{"role": "user", "content": "Hi"}, {"role": "system", "content": content}]);
        for format in UPSTREAMS {
            let body = sent(format, json!({"messages": messages})).await;
            assert!(body.to_string().contains("Mind the time."), "{body}");
            if format == Format::OpenAi {
                assert_eq!(body["messages"][1], json!({"role": "system", "content": "Mind the time."}));
            }
        }
    }
}

#[tokio::test]
async fn pictures_and_documents() {
    let source = |kind: &str, media: &str, data: &str| json!({"type": kind, "media_type": media, "data": data});
    let content = json!([
        {"type": "image", "source": source("base64", "image/png", "iVBORw0K"), "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "url", "url": "https://e.org/a.png"}},
        {"type": "document", "source": source("base64", "application/pdf", "JVBERi0x"), "title": "a.pdf"},
        {"type": "document", "source": source("text", "text/plain", "Some text"), "title": "Notes", "context": "old",
         "citations": {"enabled": true}},
        {"type": "text", "text": "What is this?"},
    ]);
    let messages = json!([{"role": "user", "content": content}]);
    let body = sent(Format::Anthropic, json!({"messages": messages})).await;
    assert_eq!(body["messages"], messages);
    let body = sent(Format::OpenAi, json!({"messages": messages})).await;
    let expected = json!([
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
        {"type": "image_url", "image_url": {"url": "https://e.org/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"}},
        {"type": "text", "text": "Notes\n\nSome text"},
        {"type": "text", "text": "What is this?"},
    ]);
    assert_eq!(body["messages"][0]["content"], expected);
}

#[tokio::test]
async fn what_only_anthropic_reads() {
    let sources = [
        json!({"type": "image", "source": {"type": "file", "file_id": "f1"}}),
        json!({"type": "document", "source": {"type": "url", "url": "https://e.org/a.pdf"}}),
        json!({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}}),
        json!({"type": "container_upload", "file_id": "f1"}),
    ];
    for block in sources {
        let messages = json!([{"role": "user", "content": [block, {"type": "text", "text": "What is this?"}]}]);
        let body = sent(Format::Anthropic, json!({"messages": messages})).await;
        assert_eq!(body["messages"], messages);
        let (gateway, provider) = gateway(Format::OpenAi, []).await;
        let answer = gateway.ask(&question(json!({"messages": messages}))).await;
        assert_eq!((answer.status, provider.requests().len()), (400, 0), "{}", answer.text);
        let error = answer.json();
        assert_eq!(error["error"]["type"], "invalid_request_error");
        assert!(error["error"]["message"].as_str().unwrap().contains("messages[0]"), "{error}");
    }
}

#[tokio::test]
async fn answers_of_the_past() {
    let blocks = json!([
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [
            {"type": "web_search_result", "url": "https://e.org", "title": "E", "encrypted_content": "x", "page_age": null}]},
        {"type": "text", "text": "So it is.", "citations": [
            {"type": "web_search_result_location", "url": "https://e.org", "title": "E", "encrypted_index": "i", "cited_text": "so"}]},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"a": 1}, "caller": {"type": "direct"}},
    ]);
    let result = json!([{"type": "tool_result", "tool_use_id": "toolu_1", "content": "yes"}]);
    let messages = json!([
        {"role": "user", "content": "Is it?"}, {"role": "assistant", "content": blocks}, {"role": "user", "content": result},
    ]);
    let tools = json!([{"name": "look", "input_schema": {"type": "object", "properties": {}}}]);
    let body = sent(Format::Anthropic, json!({"messages": messages, "tools": tools})).await;
    assert_eq!(body["messages"], messages);
    let body = sent(Format::OpenAi, json!({"messages": messages, "tools": tools})).await;
    let call = json!({"id": "toolu_1", "type": "function", "function": {"name": "look", "arguments": "{\"a\":1}"}});
    let expected = json!([
        {"role": "user", "content": "Is it?"},
        {"role": "assistant", "content": "So it is.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "yes"},
    ]);
    assert_eq!(body["messages"], expected);
}

/// A client that was answered by a provider of another format, and now asks Anthropic.
#[tokio::test]
async fn reasoning_without_a_signature_is_not_sent_on() {
    let messages = json!([
        {"role": "user", "content": "Two and two?"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Easy.", "signature": ""}, {"type": "text", "text": "Four."}]},
        {"role": "user", "content": "And three?"},
    ]);
    for format in UPSTREAMS {
        let body = sent(format, json!({"messages": messages})).await;
        assert!(!body.to_string().contains("Easy."), "{body}");
        assert!(body.to_string().contains("Four."), "{body}");
    }
}

#[tokio::test]
async fn headers_of_the_client() {
    let headers = [
        ("anthropic-version", "2026-10-21"),
        ("anthropic-beta", "a-beta-2026-01-01,another-2026-02-02"),
        ("x-app", "cli"),
    ];
    for format in UPSTREAMS {
        let (gateway, provider) = gateway(format, [Reply::text("Hi")]).await;
        for path in ["/v1/messages?beta=true", "/messages"] {
            assert_eq!(gateway.post(path, &headers, &question(json!({}))).await.status, 200);
        }
        let sent = provider.requests();
        let is_anthropic = format == Format::Anthropic;
        for request in sent {
            let beta = request.header("anthropic-beta").is_some_and(|beta| beta.contains("another-2026-02-02"));
            assert_eq!(beta, is_anthropic, "{:?}", request.headers);
            assert_eq!(request.header("anthropic-version").is_some(), is_anthropic);
            assert_eq!(request.header("x-app"), None);
        }
    }
}
