//! What a provider of OpenAI Responses gets of a request.

use arcllm_simulator::{Format, Simulator};
use serde_json::{Value, json};

use super::stage::{Gateway, question, with};
use crate::{scene::replies, support::Chain};

struct Stage {
    gateway: Gateway,
    provider: Simulator,
}

impl Stage {
    async fn start() -> Self {
        let provider = replies([]).await;
        let gateway = Gateway::over(&Chain::new().provider("a", Format::Responses, &provider.url()));
        Self { gateway, provider }
    }

    /// The provider gets these fields, beside those that each request has.
    async fn becomes(&self, body: Value, expected: Value) {
        let answer = self.gateway.ask(&body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text);
        let mut sent = self.provider.requests().pop().unwrap().body;
        for (name, value) in [("model", json!("a-model")), ("store", json!(false))] {
            assert_eq!(sent.as_object_mut().unwrap().shift_remove(name), Some(value), "{sent}");
        }
        for name in ["stream", "include"] {
            sent.as_object_mut().unwrap().shift_remove(name);
        }
        // An item without a type is a message.
        for item in sent["input"].as_array_mut().unwrap() {
            item.as_object_mut().unwrap().retain(|_, value| value != "message");
        }
        assert_eq!(sent, with(&json!({"input": [{"role": "user", "content": "Hi"}]}), expected), "{body}");
    }

    async fn refuses(&self, body: Value, place: &str) {
        let answer = self.gateway.ask(&body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        assert_eq!(answer.json()["error"]["param"], place, "{}", answer.text);
    }
}

#[tokio::test]
async fn options() {
    let stage = Stage::start().await;
    for (fields, expected) in [
        (json!({"max_tokens": 100}), json!({"max_output_tokens": 100})),
        (json!({"max_completion_tokens": 100}), json!({"max_output_tokens": 100})),
        (json!({"temperature": 0.5, "top_p": 0.5}), json!({"temperature": 0.5, "top_p": 0.5})),
        (json!({"top_k": 5, "seed": 7}), json!({})),
        (json!({"user": "u", "metadata": {"a": "b"}}), json!({"user": "u", "metadata": {"a": "b"}})),
        (json!({"reasoning_effort": "low"}), json!({"reasoning": {"effort": "low"}})),
        (json!({"response_format": {"type": "json_object"}}), json!({"text": {"format": {"type": "json_object"}}})),
        (json!({"response_format": {"type": "text"}}), json!({})),
        (
            json!({"prompt_cache_key": "k", "safety_identifier": "s", "service_tier": "flex"}),
            json!({"prompt_cache_key": "k", "safety_identifier": "s", "service_tier": "flex"}),
        ),
        (json!({"store": true, "verbosity": "low", "logit_bias": {"1": 2}, "x_new": 1}), json!({})),
    ] {
        stage.becomes(question(fields), expected).await;
    }
    stage.refuses(question(json!({"n": 2})), "n").await;
    stage.refuses(question(json!({"audio": {"voice": "a"}})), "audio").await;
}

#[tokio::test]
async fn messages_and_media() {
    let stage = Stage::start().await;
    let url = "https://example.com/a.png";
    let parts = json!([{"type": "text", "text": "Look."}, {"type": "image_url", "image_url": {"url": url}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"}}]);
    let messages = json!([{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]);
    let input = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "input_text", "text": "Look."},
            {"type": "input_image", "image_url": url},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"},
        ]},
    ]);
    stage.becomes(json!({"model": "a", "messages": messages}), json!({"input": input})).await;
    let audio = json!([{"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}}]);
    stage.refuses(json!({"model": "a", "messages": [{"role": "user", "content": audio}]}), "messages[0]").await;
}

#[tokio::test]
async fn tools_calls_and_results() {
    let stage = Stage::start().await;
    let schema = json!({"type": "object", "properties": {}});
    let function = json!({"name": "look", "description": "Looks.", "parameters": schema});
    let tool =
        json!({"type": "function", "name": "look", "description": "Looks.", "parameters": schema, "strict": false});
    let named = json!({"type": "function", "function": {"name": "look"}});
    for (choice, expected) in [
        (json!("auto"), json!("auto")),
        (json!("required"), json!("required")),
        (json!("none"), json!("none")),
        (named, json!({"type": "function", "name": "look"})),
    ] {
        let tools = json!({"tools": [{"type": "function", "function": function}], "tool_choice": choice,
            "parallel_tool_calls": false});
        let expected = json!({"tools": [tool], "tool_choice": expected, "parallel_tool_calls": false});
        stage.becomes(question(tools), expected).await;
    }
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": "{\"a\":1}"}});
    let messages = json!([
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Both.", "tool_calls": [call("c1"), call("c2")]},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
    ]);
    let called = |id: &str| json!({"type": "function_call", "call_id": id, "name": "look", "arguments": "{\"a\":1}"});
    let given = |id: &str, output: &str| json!({"type": "function_call_output", "call_id": id, "output": output});
    let input = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Both."},
        called("c1"), called("c2"), given("c1", "one"), given("c2", "two")]);
    stage.becomes(json!({"model": "a", "messages": messages}), json!({"input": input})).await;
}
