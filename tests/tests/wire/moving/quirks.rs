//! The quirks of a provider of one's own.

use serde_json::{Value, json};

use super::stage::{call, messages_sent, sent_with, tool_loop};

/// What a gateway with these quirks is sent.
async fn sent(quirks: &str, asked: Value) -> Value {
    sent_with("gateway", quirks, "", asked).await.unwrap()
}

#[tokio::test]
async fn each_quirk_changes_what_is_sent() {
    let long = "x".repeat(60);
    let tool_use = || json!({"messages": tool_loop(json!([call(&long)]), &[&long])});
    let id = |body: &Value| body["messages"][1]["tool_calls"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(id(&sent("quirks.tool_id = \"any\"", tool_use()).await), long);
    assert_eq!(id(&sent("quirks.tool_id = \"nine\"", tool_use()).await).len(), 9);
    assert_eq!(id(&sent("", tool_use()).await).len(), 25);

    let options = || json!({"messages": [{"role": "user", "content": "Hi"}], "options": {"max_tokens": 9, "seed": 7, "top_k": 3, "temperature": 0.5}});
    let body =
        sent("quirks.max_tokens_field = \"max_completion_tokens\"\nquirks.seed_field = \"random_seed\"", options())
            .await;
    assert_eq!((&body["max_completion_tokens"], &body["random_seed"]), (&json!(9), &json!(7)));
    let body = sent("quirks.refuses = [\"seed\", \"top_k\", \"temperature\"]", options()).await;
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["model", "messages", "max_tokens"]);

    let reasoning = json!({"messages": [{"role": "user", "content": "Hi"}], "options": {"reasoning": "minimal"}});
    let body = sent("quirks.reasoning = \"thinking\"\nquirks.efforts = [\"low\"]", reasoning).await;
    assert_eq!((&body["thinking"], &body["reasoning_effort"]), (&json!({"type": "enabled"}), &json!("low")));
    let system = json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Be brief."}]});
    assert_eq!(sent("quirks.system = \"first\"", system).await["messages"][0]["role"], "system");
}

#[tokio::test]
async fn unknown_fields_go_only_where_they_are_taken() {
    let mut messages = tool_loop(json!([call("aaaaaaaa1")]), &["aaaaaaaa1"]);
    messages[1]["content"][0]["extensions"] = json!({"openai.extra_content": {"google": 1}, "openai.function.note": 2});
    messages[1]["extensions"] = json!({"openai.annotations": [], "openai.prefix": true});
    let all = messages_sent("together", messages.clone()).await;
    assert_eq!(all[1]["tool_calls"][0]["extra_content"], json!({"google": 1}));
    assert_eq!(all[1]["tool_calls"][0]["function"]["note"], 2);
    assert_eq!(all[1]["annotations"], json!([]));
    let some = messages_sent("mistral", messages).await;
    assert_eq!(some[1]["prefix"], true);
    assert!(!some.to_string().contains("annotations") && !some.to_string().contains("google"), "{some}");
}

#[tokio::test]
async fn a_strict_provider_gets_neither_a_user_after_a_tool_nor_an_empty_answer() {
    let mut messages = tool_loop(json!([call("aaaaaaaa1")]), &["aaaaaaaa1"]);
    let image = json!({"type": "image", "media_type": "image/png", "data": "iVBORw0K"});
    messages.as_array_mut().unwrap().extend([
        json!({"role": "user", "content": [{"type": "text", "text": "Hurry"}]}),
        json!({"role": "assistant", "content": ""}),
        json!({"role": "user", "content": [image]}),
    ]);
    let sent = messages_sent("mistral", messages.clone()).await;
    let roles: Vec<&str> = sent.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool"]);
    assert_eq!(sent[2]["content"][1], json!({"type": "text", "text": "Hurry"}));
    assert_eq!(sent[2]["content"][2]["type"], "image_url");
    messages.as_array_mut().unwrap().truncate(4);
    assert_eq!(messages_sent("mistral", messages).await[2]["content"], "Rain\nHurry");
}
