//! Counting tokens.

use std::fs;

use arcllm_simulator::{Format, Reply};
use futures::future::join_all;
use serde_json::json;

use super::stage::{Gateway, gateway, question};
use crate::{scene::replies, support::Chain};

const PATHS: [&str; 2] = ["/v1/messages/count_tokens?beta=true", "/messages/count_tokens"];

#[tokio::test]
async fn the_provider_counts() {
    let provider = replies([]).await;
    let key = tempfile::NamedTempFile::new().unwrap();
    fs::write(key.path(), "sk-of-the-provider").unwrap();
    let settings = format!("api_key_file = {:?}\ndefault_model = \"claude-x\"", key.path().display().to_string());
    let chain = Chain::new().provider_with("a", Format::Anthropic, &provider.url(), &settings);
    let gateway = Gateway::over(&chain);
    let headers = [
        ("anthropic-beta", "token-counting-2024-11-01"),
        ("x-api-key", "the-client's"),
        ("anthropic-version", "2023-06-01"),
    ];
    for path in PATHS {
        let body = json!({"model": "a", "messages": [{"role": "user", "content": "Hi"}], "tools": [], "new": {"z": 1, "a": 2.50}});
        let answer = gateway.post(path, &headers, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.json()["input_tokens"].as_u64().unwrap() > 0);
        let sent = provider.requests().pop().unwrap();
        assert_eq!(sent.path, "/v1/messages/count_tokens");
        let mut expected = body;
        expected["model"] = "claude-x".into();
        assert_eq!(sent.body, expected);
        assert!(sent.authorized_with("sk-of-the-provider") && !sent.authorized_with("the-client's"));
        assert_eq!(sent.header("anthropic-beta"), Some("token-counting-2024-11-01"));
        assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    }
}

/// Claude Code asks for a count for each of its tools at once. No module has a part in it.
#[tokio::test]
async fn dozens_at_once() {
    let provider = replies([]).await;
    let chain = Chain::new().provider("a", Format::Anthropic, &provider.url());
    let gateway = Gateway::over(&chain.module("rate-limit", "requests_per_minute = 1"));
    let body = question(json!({}));
    let counts = join_all((0..24).map(|_| gateway.post(PATHS[0], &[], &body))).await;
    assert!(counts.iter().all(|answer| answer.status == 200), "{counts:?}");
    assert_eq!(provider.requests().len(), 24);
}

/// A count goes past the modules, so it would show a provider what they keep from it. A module that changes a request only to ask
/// again keeps nothing.
#[tokio::test]
async fn what_a_module_rewrites_is_not_counted() {
    let body = question(json!({"messages": [{"role": "user", "content": "I am jane@example.com"}]}));
    for (module, settings, status) in [
        ("redact", "", 501),
        ("validate", "", 200),
        ("resume", "mode = \"continue\"", 200),
        ("fallback", "chain = [\"a\"]", 200),
    ] {
        let provider = replies([]).await;
        let chain = Chain::new().provider("a", Format::Anthropic, &provider.url()).module(module, settings);
        let gateway = Gateway::over(&chain);
        for path in PATHS {
            let answer = gateway.post(path, &[], &body).await;
            assert_eq!(answer.status, status, "{module}: {}", answer.text);
            if status == 501 {
                assert_eq!(answer.headers["x-should-retry"], "false");
                assert!(answer.text.contains("redact"), "{}", answer.text);
            }
        }
        assert_eq!(provider.requests().is_empty(), status == 501, "{module}");
    }
}

#[tokio::test]
async fn what_cannot_be_counted() {
    let (openai, provider) = gateway(Format::OpenAi, [Reply::text("Hi")]).await;
    let answer = openai.post(PATHS[0], &[], &question(json!({}))).await;
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (501, &json!("api_error")));
    assert_eq!(answer.headers["x-should-retry"], "false");
    assert!(provider.requests().is_empty());
    let answer = openai.post(PATHS[0], &[], &question(json!({"model": "nothing-like-it"}))).await;
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (404, &json!("not_found_error")));
    let answer = openai.post(PATHS[0], &[], &json!({"messages": []})).await;
    assert_eq!((answer.status, &answer.json()["error"]["message"]), (400, &json!("model: is missing")));
}
