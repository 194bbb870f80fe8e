//! What survives of a request that is written anew for a provider of this format, and for one of OpenAI Responses.

use arcllm_simulator::Format;
use serde_json::{Value, json};

use super::stage::{Gateway, question};
use crate::{scene::replies, support::Chain};

/// What a provider of this format is sent, where an option of the model has the request written anew.
async fn sent(format: Format, settings: &str, mut body: Value) -> Value {
    let provider = replies([]).await;
    let chain = Chain::new().provider_with("a", format, &provider.url(), settings);
    let chain = chain.table("models.fast", "provider = \"a\"\noptions = { temperature = 0.3 }");
    let gateway = Gateway::over(&chain);
    body["model"] = "fast".into();
    let answer = gateway.ask(&body).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text);
    provider.requests().pop().unwrap().body
}

#[tokio::test]
async fn reasoning_stays_in_its_field() {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}});
    for fields in [
        json!({"reasoning_content": "Hm."}),
        json!({"reasoning": "Hm."}),
        json!({"reasoning_content": "Hm.", "reasoning": "Hm."}),
        json!({"reasoning_content": "Hm.", "reasoning": "Ah."}),
        json!({"reasoning": {"kept": "as it is"}}),
    ] {
        for has_call in [false, true] {
            let mut said = fields.clone();
            (said["role"], said["content"]) = ("assistant".into(), "x".into());
            let mut messages = vec![json!({"role": "user", "content": "Hi"})];
            if has_call {
                said["tool_calls"] = json!([call]);
            }
            messages.push(said.clone());
            if has_call {
                messages.push(json!({"role": "tool", "tool_call_id": "c1", "content": "ok"}));
            }
            messages.push(json!({"role": "user", "content": "Go on."}));
            let body = json!({"messages": messages});
            assert_eq!(sent(Format::OpenAi, "", body.clone()).await["messages"][1], said, "{fields}");
            let refused = sent(Format::OpenAi, "quirks = { reasoning_field = \"none\" }", body.clone()).await;
            assert!(!refused["messages"].to_string().contains("Hm."), "the provider refuses it: {refused}");
            for other in [Format::Anthropic, Format::Responses] {
                let sent = sent(other, "", body.clone()).await.to_string();
                assert!(!sent.contains("Hm.") && !sent.contains("arcllm."), "{sent}");
            }
        }
    }
}

/// Reasoning without a word beside it.
#[tokio::test]
async fn reasoning_alone_is_a_message() {
    let messages = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "reasoning_content": "Hm."},
        {"role": "user", "content": "Go on."}]);
    assert_eq!(sent(Format::OpenAi, "", json!({"messages": messages})).await["messages"], messages);
}

#[tokio::test]
async fn the_grammar_of_a_custom_tool_has_the_form_of_responses() {
    let inner = json!({"syntax": "lark", "definition": "start: x"});
    let tool = json!({"type": "custom", "custom": {"name": "sh", "description": "Runs.",
        "format": {"type": "grammar", "grammar": inner}}});
    let call = json!({"id": "c1", "type": "custom", "custom": {"name": "sh", "input": "ls"}});
    let messages = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"}]);
    let named = json!({"type": "custom", "custom": {"name": "sh"}});
    let mut body = question(json!({"tools": [tool], "tool_choice": named}));
    body["messages"] = messages;
    let sent = sent(Format::Responses, "", body).await;
    let format = json!({"type": "grammar", "syntax": "lark", "definition": "start: x"});
    let flat = json!({"type": "custom", "name": "sh", "description": "Runs.", "format": format});
    assert_eq!(sent["tools"], json!([flat]), "{sent}");
    assert_eq!(sent["tool_choice"], json!({"type": "custom", "name": "sh"}));
    let call = json!({"type": "custom_tool_call", "call_id": "c1", "name": "sh", "input": "ls"});
    let result = json!({"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"});
    assert_eq!((&sent["input"][1], &sent["input"][2]), (&call, &result), "{sent}");
}

/// Marks of caches, the field of a limit and what stands beside a schema: other servers than OpenAI's know them.
#[tokio::test]
async fn a_request_that_is_written_anew_says_what_it_said() {
    let mark = json!({"type": "ephemeral", "ttl": "1h", "new": true});
    let image = json!({"url": "data:image/png;base64,AAAA", "detail": "low"});
    let body = json!({
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be kind.", "cache_control": mark}]},
            {"role": "user", "content": "Hi", "cache_control": mark},
            {"role": "assistant", "content": "x", "cache_control": mark, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}, "cache_control": mark},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "ok", "cache_control": mark},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": image, "cache_control": mark},
                {"type": "text", "text": "And this?", "cache_control": {"type": "ephemeral"}},
            ]},
        ],
        "tools": [
            {"type": "function", "cache_control": mark, "function": {
                "name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}},
            {"type": "function", "function": {
                "name": "see", "parameters": {"type": "object", "properties": {}}, "cache_control": mark}},
        ],
        "max_completion_tokens": 40,
        "response_format": {"type": "json_schema", "new": {"a": 1}, "json_schema": {
            "name": "answer", "new": 2, "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}},
    });
    let mut written = sent(Format::OpenAi, "", body.clone()).await;
    for (name, value) in [("model", json!("a-model")), ("temperature", json!(0.3))] {
        assert_eq!(written.as_object_mut().unwrap().remove(name), Some(value));
    }
    assert_eq!(written, body);
    let mut streamed = body.clone();
    streamed["stream"] = true.into();
    streamed["stream_options"] = json!({"include_usage": false, "include_obfuscation": false, "new": {"a": 1}});
    let mut wanted = streamed["stream_options"].clone();
    wanted["include_usage"] = true.into();
    assert_eq!(sent(Format::OpenAi, "", streamed.clone()).await["stream_options"], wanted);
    let refused = sent(Format::OpenAi, "quirks = { stream_options = false }", streamed).await;
    assert_eq!(refused.get("stream_options"), None, "the provider does not know them");
    let only_call = json!({"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": null, "tool_calls": [body["messages"][2]["tool_calls"][0]]},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
    ]});
    let marked = sent(Format::Anthropic, "", only_call).await;
    assert_eq!(marked["messages"][1]["content"][0]["cache_control"]["ttl"], "1h", "{marked}");
    let limited = sent(Format::OpenAi, "quirks = { max_tokens_field = \"max_tokens\" }", body.clone()).await;
    assert_eq!((&limited["max_tokens"], limited.get("max_completion_tokens")), (&json!(40), None), "the quirk decides");
    for other in [Format::Anthropic, Format::Responses] {
        let sent = sent(other, "", body.clone()).await.to_string();
        assert!(!sent.contains("arcllm.") && !sent.contains("max_completion_tokens"), "{sent}");
    }
}
