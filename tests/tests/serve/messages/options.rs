//! The options of a request, and what providers get of them.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::stage::{exchange, gateway, question, without, written_anew};

async fn sent(format: Format, fields: Value) -> Value {
    let body = exchange(format, Reply::text("Hi"), question(fields.clone())).await.sent.body;
    if format == Format::Anthropic {
        let anew = written_anew("claude-sonnet-4-5", question(fields)).await;
        assert_eq!(without(anew, &["model"]), without(body.clone(), &["model"]), "the same, if it is written anew");
    }
    body
}

#[tokio::test]
async fn sampling() {
    let fields =
        json!({"temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ["END"], "metadata": {"user_id": "u1"}});
    let body = sent(Format::Anthropic, fields.clone()).await;
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(body[name], *value, "{name}");
    }
    let body = sent(Format::OpenAi, fields).await;
    let expected = json!({
        "model": "a-model", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100,
        "temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop": ["END"], "user": "u1",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_schema_of_the_answer() {
    let schema = json!({
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false,
    });
    let format = json!({"type": "json_schema", "schema": schema});
    for fields in [json!({"output_config": {"format": format}}), json!({"output_format": format})] {
        let body = sent(Format::Anthropic, fields.clone()).await;
        for (name, value) in fields.as_object().unwrap() {
            assert_eq!(body[name], *value);
        }
        let body = sent(Format::OpenAi, fields).await;
        assert_eq!(body["response_format"]["type"], "json_schema");
        assert_eq!(body["response_format"]["json_schema"]["schema"], schema);
    }
}

#[tokio::test]
async fn how_much_the_model_reasons() {
    for (fields, effort) in [
        (json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}), json!("high")),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}), json!("low")),
        (json!({"thinking": {"type": "adaptive", "display": "omitted"}}), Value::Null),
        (json!({"thinking": {"type": "disabled"}}), Value::Null),
    ] {
        let body = sent(Format::Anthropic, fields.clone()).await;
        for (name, value) in fields.as_object().unwrap() {
            assert_eq!(body[name], *value, "{fields}");
        }
        let body = sent(Format::OpenAi, fields.clone()).await;
        assert_eq!(body["reasoning_effort"], effort, "{fields}");
        assert!(body.get("thinking").is_none() && body.get("output_config").is_none(), "{body}");
    }
}

#[tokio::test]
async fn fields_that_only_anthropic_knows() {
    let fields = json!({
        "service_tier": "auto", "container": "c1", "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "safeguards": {"a": [1]}, "mcp_servers": [], "inference_geo": "eu", "a_new_field": {"b": null},
        "metadata": {"user_id": "{\"device_id\":\"0123456789012345678901234567890123456789\",\"session_id\":\"0123456789\"}"},
        "cache_control": {"type": "ephemeral"},
    });
    let body = sent(Format::Anthropic, fields.clone()).await;
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(body[name], *value, "{name}");
    }
    let body = sent(Format::OpenAi, fields).await;
    let names: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["model", "messages", "max_tokens"]);
}

/// Claude Code asks for reasoning whatever the model.
#[tokio::test]
async fn a_model_of_another_format_that_does_not_reason() {
    let (gateway, provider) = gateway(Format::OpenAi, []).await;
    let fields = json!({"model": "a/gpt-4o", "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}});
    assert_eq!(gateway.ask(&question(fields)).await.status, 200);
    let body = provider.requests().pop().unwrap().body;
    assert_eq!((&body["model"], body.get("reasoning_effort")), (&json!("gpt-4o"), None));
}
