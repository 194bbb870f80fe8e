//! Pictures, documents and calls in the JSON of one format that another one is sent.

use serde_json::{Value, json};

use super::stage::{call, messages_sent, refused, result, sent, tool_loop};

fn user(block: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": [block]}]})
}

#[tokio::test]
async fn sources_of_anthropics_format_are_translated() {
    let base64 = |kind: &str| json!({"type": "base64", "media_type": kind, "data": "JVBE"});
    for (block, openai) in [
        (
            json!({"type": "image", "source": base64("image/png")}),
            json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,JVBE"}}]),
        ),
        (
            json!({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}),
            json!([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]),
        ),
        (
            json!({"type": "document", "source": base64("application/pdf"), "title": "T", "citations": {"enabled": true}}),
            json!([{"type": "file", "file": {"filename": "T", "file_data": "data:application/pdf;base64,JVBE"}}]),
        ),
        (
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}, "title": "T"}),
            json!("T\n\nhi"),
        ),
        (
            json!({"type": "document", "source": {"type": "file", "file_id": "file-1"}}),
            json!([{"type": "file", "file": {"file_id": "file-1"}}]),
        ),
    ] {
        assert_eq!(sent("openai", user(&block)).await["messages"][0]["content"], openai, "{block}");
        assert_eq!(sent("anthropic", user(&block)).await["messages"][0]["content"], json!([block]));
    }
}

#[tokio::test]
async fn a_source_that_the_target_does_not_have_is_named() {
    for (preset, block, says) in [
        ("openai", json!({"type": "image", "file": "file-abc"}), "an image by the name of a file"),
        (
            "openai",
            json!({"type": "image", "source": {"type": "file", "file_id": "f"}}),
            "an image by the name of a file",
        ),
        (
            "openai",
            json!({"type": "document", "source": {"type": "content", "content": []}}),
            "a document with a source of the type \"content\"",
        ),
        (
            "openai",
            json!({"type": "other", "json": {"type": "image", "source": {"type": "new"}}}),
            "a block of the type \"image\", which only Anthropic's format has",
        ),
        ("anthropic", json!({"type": "image", "source": {"url": "u", "detail": "low"}}), "a source without a `type`"),
    ] {
        let error = refused(preset, user(&block)).await;
        assert!(error.contains("messages[0] has") && error.contains(says), "{error}");
    }
    let own = json!({"type": "image", "source": {"url": "u", "detail": "low"}});
    let expected = json!([{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]);
    assert_eq!(sent("openai", user(&own)).await["messages"][0]["content"], expected);
}

#[tokio::test]
async fn media_in_a_result_stand_behind_the_results_in_every_form() {
    let url = "data:image/png;base64,JVBE";
    let part = json!({"type": "image_url", "image_url": {"url": url}});
    let source = json!({"type": "base64", "media_type": "image/png", "data": "JVBE"});
    for block in [&part, &json!({"type": "image", "source": source})] {
        let mut messages = tool_loop(json!([call("aaaaaaaa1")]), &["aaaaaaaa1"]);
        messages[2]["content"][0]["content"] = json!([{"type": "text", "text": "See"}, block]);
        let sent = messages_sent("openai", messages).await;
        assert_eq!(sent[2], json!({"role": "tool", "tool_call_id": "aaaaaaaa1", "content": "See"}));
        assert_eq!(sent[3], json!({"role": "user", "content": [part]}));
    }
}

#[tokio::test]
async fn blocks_that_only_their_author_knows_go_to_no_other_provider() {
    let search = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}});
    let found =
        json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"encrypted_content": "x"}]});
    let text = json!({"type": "text", "text": "It rains."});
    for (author, content) in [("anthropic", json!([search, found, text])), ("elsewhere", json!("It rains."))] {
        let answer = json!({"role": "assistant", "content": [search, found, text],
                            "extensions": {"arcllm.provider": author}});
        let sent = messages_sent("anthropic", json!([{"role": "user", "content": "Hi"}, answer])).await;
        assert_eq!(sent[1], json!({"role": "assistant", "content": content}), "{author}");
    }
}

#[tokio::test]
async fn a_call_of_a_custom_tool_goes_back_as_one_to_its_author_alone() {
    let made = json!({"type": "tool_use", "id": "c1", "name": "code_exec", "arguments": {"input": "print(1)"},
                      "extensions": {"openai.custom": {"x": 1}, "openai.y": 2}});
    for (author, expected) in [
        (
            "openai",
            json!({"id": "c1", "type": "custom", "custom": {"x": 1, "name": "code_exec", "input": "print(1)"}, "y": 2}),
        ),
        (
            "elsewhere",
            json!({"id": "c1", "type": "function",
                   "function": {"name": "code_exec", "arguments": "{\"input\":\"print(1)\"}"}}),
        ),
    ] {
        let mut messages = tool_loop(json!([made]), &["c1"]);
        messages[1]["extensions"] = json!({"arcllm.provider": author});
        let sent = messages_sent("openai", messages).await;
        assert_eq!(sent[1]["tool_calls"], json!([expected]), "{author}");
        assert_eq!(sent[2]["content"], result("c1")["content"]);
    }
}
