//! Tools: their definitions, their calls and their results.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::stage::{UPSTREAMS, exchange, gateway, question};

fn look() -> Value {
    let city = json!({"type": "string"});
    let schema = json!({"type": "object", "properties": {"city": city}, "required": ["city"]});
    json!({"name": "look", "description": "Looks outside", "input_schema": schema})
}

fn with(base: Value, fields: Value) -> Value {
    let mut base = base;
    fields.as_object().unwrap().iter().for_each(|(name, value)| base[name] = value.clone());
    base
}

#[tokio::test]
async fn definitions() {
    let custom = with(look(), json!({"type": "custom", "cache_control": {"type": "ephemeral"}}));
    let mut schema = look()["input_schema"].clone();
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    let other = with(look(), json!({"name": "fetch", "defer_loading": true, "input_schema": schema}));
    let tools = json!([custom, other]);
    let sent = exchange(Format::Anthropic, Reply::text("Hi"), question(json!({"tools": tools}))).await.sent;
    let got = &sent.body["tools"];
    assert_eq!((&got[0]["cache_control"], &got[1]["defer_loading"]), (&json!({"type": "ephemeral"}), &json!(true)));
    assert_eq!((&got[0]["input_schema"], &got[1]["input_schema"]), (&look()["input_schema"], &schema));
    let sent = exchange(Format::OpenAi, Reply::text("Hi"), question(json!({"tools": tools}))).await.sent;
    let function = |name: &str, parameters: &Value| json!({"type": "function", "function": {"name": name, "description": "Looks outside", "parameters": parameters}});
    assert_eq!(sent.body["tools"], json!([function("look", &look()["input_schema"]), function("fetch", &schema)]));
}

#[tokio::test]
async fn calls_and_their_results() {
    let id =
        |format: Format, name: &str| format!("{}_{name}", if format == Format::Anthropic { "toolu" } else { "call" });
    for format in UPSTREAMS {
        let reply = Reply::text("Both.").tool_call(id(format, "a"), "look", json!({"city": "Paris"})).tool_call(
            id(format, "b"),
            "look",
            json!({"city": "Rome"}),
        );
        let got = exchange(format, reply, question(json!({"tools": [look()]}))).await.answer;
        let call = |name: &str, city: &str| json!({"type": "tool_use", "id": id(format, name), "name": "look", "input": {"city": city}});
        let calls = [call("a", "Paris"), call("b", "Rome")];
        assert_eq!(got["content"], json!([{"type": "text", "text": "Both."}, calls[0], calls[1]]));
        assert_eq!(got["stop_reason"], "tool_use");
        let results = json!([
            {"type": "tool_result", "tool_use_id": id(format, "a"), "content": "25 degrees",
             "cache_control": {"type": "ephemeral"}},
            {"type": "tool_result", "tool_use_id": id(format, "b"), "is_error": true,
             "content": [{"type": "text", "text": "no such city"}]},
            {"type": "text", "text": "Go on."},
        ]);
        let messages = json!([
            {"role": "user", "content": "Where is it warm?"}, {"role": "assistant", "content": got["content"]},
            {"role": "user", "content": results},
        ]);
        let body = question(json!({"tools": [look()], "messages": messages}));
        let sent = exchange(format, Reply::text("In Paris."), body).await.sent.body;
        match format {
            Format::Anthropic => {
                assert_eq!(sent["messages"][1]["content"], got["content"]);
                let back = &sent["messages"][2]["content"];
                assert_eq!((&back[0]["content"], &back[1]["is_error"]), (&json!("25 degrees"), &json!(true)));
                assert_eq!(
                    (&back[0]["cache_control"], &back[2]["text"]),
                    (&results[0]["cache_control"], &json!("Go on."))
                );
            }
            _ => {
                let said = &sent["messages"];
                let calls = &said[1]["tool_calls"];
                assert_eq!((&calls[0]["id"], &calls[1]["id"]), (&json!("call_a"), &json!("call_b")));
                assert_eq!(calls[1]["function"]["arguments"], r#"{"city":"Rome"}"#);
                let result =
                    |name: &str, text: &str| json!({"role": "tool", "tool_call_id": id(format, name), "content": text});
                assert_eq!((&said[2], &said[3]), (&result("a", "25 degrees"), &result("b", "no such city")));
                assert_eq!(said[4], json!({"role": "user", "content": "Go on."}));
            }
        }
    }
}

#[tokio::test]
async fn a_picture_as_a_result() {
    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}});
    let messages = json!([
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_a", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_a", "content": [picture]}]},
    ]);
    let body = question(json!({"tools": [look()], "messages": messages}));
    let sent = exchange(Format::Anthropic, Reply::text("A dot."), body.clone()).await.sent.body;
    assert_eq!(sent["messages"][2]["content"][0]["content"], json!([picture]));
    let sent = exchange(Format::OpenAi, Reply::text("A dot."), body).await.sent.body;
    let url = json!({"url": "data:image/png;base64,iVBORw0K"});
    assert_eq!(sent["messages"][3]["content"], json!([{"type": "image_url", "image_url": url}]));
}

#[tokio::test]
async fn choices() {
    for (choice, openai, parallel) in [
        (json!({"type": "auto"}), json!("auto"), Value::Null),
        (json!({"type": "any"}), json!("required"), Value::Null),
        (json!({"type": "none"}), json!("none"), Value::Null),
        (
            json!({"type": "tool", "name": "look"}),
            json!({"type": "function", "function": {"name": "look"}}),
            Value::Null,
        ),
        (json!({"type": "auto", "disable_parallel_tool_use": true}), json!("auto"), json!(false)),
    ] {
        let body = question(json!({"tools": [look()], "tool_choice": choice}));
        let sent = exchange(Format::Anthropic, Reply::text("Hi"), body.clone()).await.sent.body;
        assert_eq!(sent["tool_choice"], choice);
        let sent = exchange(Format::OpenAi, Reply::text("Hi"), body).await.sent.body;
        assert_eq!((&sent["tool_choice"], &sent["parallel_tool_calls"]), (&openai, &parallel), "{choice}");
    }
}

#[tokio::test]
async fn tools_of_the_provider() {
    let search = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 3});
    let body = question(json!({"tools": [search, look()]}));
    let sent = exchange(Format::Anthropic, Reply::text("Hi"), body.clone()).await.sent.body;
    assert_eq!(sent["tools"][0], search);
    let (gateway, provider) = gateway(Format::OpenAi, []).await;
    let answer = gateway.ask(&body).await;
    assert_eq!((answer.status, provider.requests().len()), (400, 0));
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("tools[0]") && message.contains("web_search_20250305"), "{message}");
}
