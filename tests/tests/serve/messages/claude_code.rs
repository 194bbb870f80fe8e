//! A request as Claude Code 2.1.332 sends it, to providers of each format.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::stage::{ALL, gateway, without, written_anew};

const REQUEST: &str = include_str!("claude_code.json");

const HEADERS: [(&str, &str); 6] = [
    ("anthropic-version", "2023-06-01"),
    (
        "anthropic-beta",
        "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,\
         mid-conversation-tool-changes-2026-07-01,thinking-token-count-2026-05-13,advanced-tool-use-2025-11-20,effort-2025-11-24,\
         thinking-display-updates-2026-08-18,dangerous-tool-use-2026-09-03,afk-mode-2026-01-31",
    ),
    ("user-agent", "claude-cli/2.1.332 (external, sdk-cli)"),
    ("x-app", "cli"),
    ("anthropic-dangerous-direct-browser-access", "true"),
    ("x-claude-code-session-id", "f0d2"),
];

#[tokio::test]
async fn it_is_understood() {
    let request: Value = serde_json::from_str(REQUEST).unwrap();
    for format in ALL {
        let reply = || {
            Reply::text("Done.").thinking("Now the page.", "c2lnMg==").tool_call(
                "toolu_3",
                "WebFetch",
                json!({"url": "https://e.org"}),
            )
        };
        let (gateway, provider) = gateway(format, [reply(), reply()]).await;
        let streamed = gateway.post("/v1/messages?beta=true", &HEADERS, &request).await.streamed();
        assert_eq!(streamed["content"][2]["name"], "WebFetch");
        assert_eq!(streamed["stop_reason"], "tool_use");
        // It asks again in this way when a stream breaks.
        let mut again = request.clone();
        again.as_object_mut().unwrap().remove("stream");
        let whole = gateway.post("/v1/messages?beta=true", &HEADERS, &again).await.json();
        for place in 1..3 {
            assert_eq!(whole["content"][place], streamed["content"][place]);
        }
        match format {
            Format::Anthropic => {
                let sent = &provider.requests()[0].body;
                assert_eq!(without(sent.clone(), &["model"]), without(request.clone(), &["model"]));
            }
            Format::OpenAi => is_translated(&provider.requests()[0].body),
            _ => has_its_tools(&provider.requests()[0].body),
        }
    }
}

/// Nothing is there that only Anthropic knows.
fn is_translated(sent: &Value) {
    let mut fields: Vec<_> = sent.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["max_tokens", "messages", "model", "reasoning_effort", "stream", "stream_options", "tools"]);
    let names: Vec<_> =
        sent["tools"].as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Bash", "Read", "ToolSearch", "WebFetch"]);
    for word in
        ["cache_control", "defer_loading", "DeferredToolPlaceholder", "c2lnMQ==", "safeguards", "clear_thinking"]
    {
        assert!(!sent.to_string().contains(word), "{word}");
    }
    let messages = sent["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "system", "assistant", "tool", "tool", "user"]);
    assert!(messages[0]["content"].as_str().unwrap().starts_with("x-anthropic-billing-header:"));
    let ids: Vec<_> = messages[3]["tool_calls"].as_array().unwrap().iter().map(|call| call["id"].clone()).collect();
    assert_eq!(ids, [messages[4]["tool_call_id"].clone(), messages[5]["tool_call_id"].clone()]);
    assert_eq!(messages[4]["content"], "No such file");
    assert!(messages[5]["content"].as_str().unwrap().contains("WebFetch"), "the tool that was found");
}

/// A module may have changed the request, so that it is written anew: it still says the same.
#[tokio::test]
async fn it_is_written_anew() {
    let request: Value = serde_json::from_str(REQUEST).unwrap();
    let mut sent = written_anew("claude-opus-4-8", request.clone()).await;
    // A text of one block is a string.
    sent["messages"][1]["content"] = request["messages"][1]["content"].clone();
    assert_eq!(sent, without(request, &["stream"]));
}

/// The same to OpenAI Responses.
fn has_its_tools(sent: &Value) {
    let names: Vec<_> = sent["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Bash", "Read", "ToolSearch", "WebFetch"]);
    for word in
        ["cache_control", "defer_loading", "DeferredToolPlaceholder", "c2lnMQ==", "safeguards", "clear_thinking"]
    {
        assert!(!sent.to_string().contains(word), "{word}");
    }
    let items = sent["input"].as_array().unwrap();
    let results: Vec<_> = items.iter().filter(|item| item["type"] == "function_call_output").collect();
    assert_eq!((&results[0]["call_id"], &results[1]["call_id"]), (&json!("toolu_1"), &json!("toolu_2")));
    assert!(results[1].to_string().contains("WebFetch"), "the tool that was found");
}
