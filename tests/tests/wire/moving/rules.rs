//! Each rule for a conversation that one provider began and another goes on with.

use serde_json::{Value, json};

use super::stage::{PRESETS, call, messages_sent, refused, result, sent, sent_with, tool_loop};

const LONG: &str = "toolu_01A09q90qw90lq917835lq9abcdefghijklmnopqrstuv";

#[tokio::test]
async fn ids_become_what_the_target_takes_the_same_for_call_and_result() {
    for (preset, length) in [("mistral", 9), ("openai", 25), ("groq", 25), ("vllm", 25)] {
        let messages = || tool_loop(json!([call(LONG), call("short-0001")]), &[LONG, "short-0001"]);
        let sent = messages_sent(preset, messages()).await;
        let id = sent[1]["tool_calls"][0]["id"].as_str().unwrap();
        assert_eq!(id.len(), length, "{preset}");
        assert_eq!(sent[2]["tool_call_id"], id);
        assert_eq!(messages_sent(preset, messages()).await, sent, "the same input gives the same output");
        let other = &sent[1]["tool_calls"][1]["id"];
        assert_eq!(other == "short-0001", preset != "mistral");
        assert_eq!(&sent[3]["tool_call_id"], other);
    }
    let kept = messages_sent("mistral", tool_loop(json!([call("aB3456789")]), &["aB3456789"])).await;
    assert_eq!(kept[2]["tool_call_id"], "aB3456789");
    let sent = messages_sent(
        "anthropic",
        tool_loop(json!([call("functions.a:0"), call("functions.a.0")]), &["functions.a.0", "functions.a:0"]),
    )
    .await;
    let id = |at: usize| sent[1]["content"][at]["id"].as_str().unwrap().to_owned();
    assert_ne!(id(0), id(1));
    assert_eq!(sent[2]["content"][1]["tool_use_id"], id(1));
}

#[tokio::test]
async fn the_same_id_in_two_turns_is_two_ids() {
    let mut messages = tool_loop(json!([call("call_0")]), &["call_0"]);
    let again = tool_loop(json!([call("call_0")]), &["call_0"]);
    messages.as_array_mut().unwrap().extend(again.as_array().unwrap().clone());
    let sent = messages_sent("anthropic", messages).await;
    let (first, second) = (&sent[1]["content"][0]["id"], &sent[3]["content"][0]["id"]);
    assert_ne!(first, second);
    assert_eq!((&sent[2]["content"][0]["tool_use_id"], &sent[4]["content"][0]["tool_use_id"]), (first, second));
}

#[tokio::test]
async fn blocks_of_one_format_are_left_out_of_answers_to_the_other() {
    let search = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []});
    let new = json!({"type": "advisor_tool_result", "content": []});
    let text = json!({"type": "text", "text": "It rains."});
    let answer =
        json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [search, found, new, text]}]);
    assert_eq!(messages_sent("openai", answer.clone()).await[1], json!({"role": "assistant", "content": "It rains."}));
    let same = messages_sent("anthropic", answer).await;
    assert_eq!(same[1]["content"], json!([search, found, new, text]));

    let refusal = json!({"type": "refusal", "refusal": "No."});
    let audio = json!({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}});
    let answer = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [audio, refusal]}]);
    assert_eq!(messages_sent("anthropic", answer.clone()).await[1], json!({"role": "assistant", "content": "No."}));
    assert_eq!(messages_sent("openai", answer).await[1]["content"], json!([audio, refusal]));
}

#[tokio::test]
async fn blocks_that_a_user_sends_are_translated_or_named() {
    let user = |block: &Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let found = json!({"type": "search_result", "source": "s", "title": "t", "content": []});
    let error = refused("groq", user(&found)).await;
    assert!(error.contains("messages[0] has a block of the type \"search_result\""), "{error}");
    let audio = json!({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}});
    let error = refused("anthropic", user(&audio)).await;
    assert!(error.contains("messages[0] has a block of the type \"input_audio\""), "{error}");

    for (part, block) in [
        (
            json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}}),
        ),
        (
            json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}),
            json!({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}),
        ),
        (
            json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}}),
            json!({"type": "document", "title": "a.pdf",
                   "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}}),
        ),
    ] {
        assert_eq!(sent("anthropic", user(&part)).await["messages"][0]["content"], json!([block]));
        assert_eq!(sent("openai", user(&part)).await["messages"][0]["content"], json!([part]));
    }
    let unknown = json!({"type": "hologram", "depth": 3});
    for preset in ["anthropic", "openai"] {
        assert_eq!(sent(preset, user(&unknown)).await["messages"][0]["content"], json!([unknown]));
    }
}

#[tokio::test]
async fn reasoning_signed_by_another_provider_is_left_out() {
    let thinking = |provider: Option<&str>| {
        let mut block = json!({"type": "thinking", "text": "Hm.", "signature": "c2ln"});
        if let Some(provider) = provider {
            block["provider"] = provider.into();
        }
        json!([{"role": "user", "content": "Hi"},
               {"role": "assistant", "content": [block, {"type": "text", "text": "Yes?"}]}])
    };
    let signed = json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"});
    for (provider, sent) in [(None, true), (Some("anthropic"), true), (Some("elsewhere"), false)] {
        let content = messages_sent("anthropic", thinking(provider)).await[1]["content"].take();
        assert_eq!(content[0] == signed, sent, "{provider:?}: {content}");
    }
}

#[tokio::test]
async fn reasoning_stands_beside_tool_calls_where_the_target_wants_it_and_nowhere_else() {
    let thinking = json!({"type": "thinking", "text": "Hm.", "signature": "c2ln", "provider": "elsewhere"});
    let mut messages = tool_loop(json!([thinking, call("aaaaaaaa1")]), &["aaaaaaaa1"]);
    let plain = json!({"role": "assistant", "content": [thinking, {"type": "text", "text": "Rain."}]});
    messages.as_array_mut().unwrap().extend([plain, json!({"role": "user", "content": "Thanks"})]);
    for (preset, settings, expected) in [
        ("deepseek", "", Some("reasoning_content")),
        ("together", "default_model = \"moonshotai/Kimi-K2-Thinking\"", Some("reasoning_content")),
        ("kimi", "default_model = \"kimi-k2-thinking\"", Some("reasoning_content")),
        ("mine", "quirks.reasoning_field = \"reasoning\"", Some("reasoning")),
        ("groq", "default_model = \"moonshotai/kimi-k2-instruct\"", None),
        ("mistral", "", None),
        ("openai", "", None),
        ("vllm", "", None),
    ] {
        let sent = sent_with(preset, settings, "", json!({"messages": messages})).await.unwrap();
        let count = sent.to_string().matches("Hm.").count();
        assert_eq!(count, usize::from(expected.is_some()), "{preset}: {sent}");
        if let Some(field) = expected {
            assert_eq!(sent["messages"][1][field], "Hm.", "{preset}");
            assert!(sent["messages"][3].get(field).is_none(), "{sent}");
        }
    }
}

#[tokio::test]
async fn calls_that_were_made_without_reasoning_have_an_empty_one() {
    let messages = || tool_loop(json!([call("aaaaaaaa1")]), &["aaaaaaaa1"]);
    assert_eq!(messages_sent("deepseek", messages()).await[1]["reasoning_content"], "");
    assert_eq!(messages_sent("groq", messages()).await[1].get("reasoning_content"), None);
}

#[tokio::test]
async fn system_messages_in_the_middle() {
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "system", "content": "It is late."},
        {"role": "user", "content": "How late?"},
    ]);
    let said = |role: &str, text: &str| json!({"role": role, "content": text});
    for preset in ["vllm", "ollama", "tgi", "mistral"] {
        let expected = json!([
            said("system", "Be brief.\n\nIt is late."),
            said("user", "Hi"),
            said("assistant", "Yes?"),
            said("user", "How late?"),
        ]);
        assert_eq!(messages_sent(preset, messages.clone()).await, expected, "{preset}");
    }
    assert_eq!(messages_sent("openai", messages.clone()).await, messages);

    let asked = || json!({"messages": messages});
    let front = sent("anthropic", asked()).await;
    assert_eq!(
        front["system"],
        json!([{"type": "text", "text": "Be brief."}, {"type": "text", "text": "It is late."}])
    );
    let in_place = sent_with("anthropic", "default_model = \"claude-opus-4-8\"", "", asked()).await.unwrap();
    assert_eq!(in_place["system"], "Be brief.");
    let expected = json!([
        said("user", "Hi"),
        said("assistant", "Yes?"),
        said("user", "How late?"),
        said("system", "It is late.")
    ]);
    assert_eq!(in_place["messages"], expected);
    let anywhere = sent_with("anthropic", "quirks.system = \"anywhere\"", "", asked()).await.unwrap();
    assert_eq!(anywhere["messages"], expected);
}

#[tokio::test]
async fn a_schema_without_content_is_completed() {
    for parameters in [json!(null), json!({}), json!({"type": "object"})] {
        let asked = json!({"messages": [{"role": "user", "content": "Hi"}], "tools": [{"name": "now", "parameters": parameters}]});
        let complete = json!({"type": "object", "properties": {}});
        assert_eq!(sent("anthropic", asked.clone()).await["tools"][0]["input_schema"], complete);
        assert_eq!(sent("openai", asked).await["tools"][0]["function"]["parameters"], complete);
    }
}

#[tokio::test]
async fn a_call_without_a_result_and_a_result_without_a_call_are_named_or_repaired() {
    let never_mind = json!([
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [call("aaaaaaaa1"), call("aaaaaaaa2")]},
        {"role": "tool", "content": [result("aaaaaaaa2")]},
        {"role": "user", "content": "Never mind."},
    ]);
    let orphan = json!([{"role": "user", "content": "Hi"}, {"role": "tool", "content": [result("gone")]},
                        {"role": "user", "content": "Hello?"}]);
    for (preset, format) in PRESETS {
        let error = refused(preset, json!({"messages": never_mind})).await;
        assert!(error.contains("messages[1] has the tool call \"aaaaaaaa1\" (weather) without a result"), "{error}");
        let error = refused(preset, json!({"messages": orphan})).await;
        assert!(error.contains("messages[1] has a result of the tool call \"gone\""), "{error}");
        for messages in [&never_mind, &orphan] {
            let asked = json!({"messages": messages});
            let body = sent_with(preset, "", "repair_history = true", asked).await.unwrap();
            super::valid::check(preset, format, &body);
            assert_eq!(body.to_string().contains("has no result"), *messages == never_mind);
        }
    }
}

#[tokio::test]
async fn results_that_stand_elsewhere_are_put_behind_their_calls() {
    let messages = json!([
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [call("aaaaaaaa1")]},
        {"role": "assistant", "content": [call("aaaaaaaa2")]},
        {"role": "user", "content": "Hurry!"},
        {"role": "tool", "content": [result("aaaaaaaa2")]},
        {"role": "assistant", "content": "Rain there."},
        {"role": "tool", "content": [result("aaaaaaaa1")]},
    ]);
    for (preset, format) in PRESETS {
        let body = sent(preset, json!({"messages": messages})).await;
        super::valid::check(preset, format, &body);
        assert!(body.to_string().contains("Hurry!"), "{body}");
    }
}

#[tokio::test]
async fn names_that_providers_refuse_are_named() {
    for name in ["a.b", "größe", &"x".repeat(65)] {
        let tools = json!([{"name": "fine"}, {"name": name}]);
        for preset in ["anthropic", "openai", "vllm"] {
            let error = refused(preset, json!({"messages": [{"role": "user", "content": "Hi"}], "tools": tools})).await;
            assert!(error.contains("tools[1].name"), "{error}");
        }
    }
}
