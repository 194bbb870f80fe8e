//! Extensions cannot set what an adapter writes.

use crate::strangers::stage::{ask, body, conversation, hostile, run};
use crate::{
    scene::{around, load, replies, soon},
    support::Chain,
};
use arcllm::{ErrorKind, Overrides, Request};
use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

#[tokio::test]
async fn a_caller_cannot_set_what_the_adapter_writes() {
    let body = ["model", "Model", "messages", "system", "tools", "tool_choice", "max_tokens", "max_completion_tokens"];
    let more =
        ["temperature", "top_p", "stop", "stop_sequences", "seed", "stream", "stream_options", "model.x", ".model"];
    for format in [Format::Anthropic, Format::OpenAi] {
        let a = replies([]).await;
        let folder = Chain::new().provider("a", format, &a.url()).folder().unwrap();
        let model = load(&folder, Overrides::new()).await;
        for (vendor, name) in
            ["anthropic", "openai"].iter().flat_map(|vendor| body.iter().chain(&more).map(move |name| (vendor, name)))
        {
            for place in ["/extensions", "/options/extensions"] {
                let mut request = json!({"messages": [{"role": "user", "content": "Hi"}], "options": {"extensions": {}}, "extensions": {}});
                let key = format!("{vendor}.{name}");
                request.pointer_mut(place).unwrap()[&key] = json!(null);
                let request: Request = serde_json::from_value(request).unwrap();
                let error = soon(model.invoke_with(request.clone())).await.unwrap_err();
                assert!(
                    matches!(&error.kind, ErrorKind::Usage(failure) if failure.message.contains(&key)),
                    "{error:?}"
                );
                assert!(error.trail.is_empty());
                let error = soon(model.stream_with(request).collect()).await.unwrap_err();
                assert_eq!(error.kind.as_str(), "usage");
            }
        }
        assert_eq!(a.connections(), 0);
    }
}

#[tokio::test]
async fn a_caller_cannot_set_it_in_messages_blocks_and_tools() {
    let a = replies([]).await;
    let folder = around(&a).folder().unwrap();
    let said = |message: Value| json!({ "messages": [message] });
    let block = |block: Value| said(json!({"role": "user", "content": [block]}));
    for (key, request) in [
        ("openai.role", said(json!({"role": "user", "content": "a", "extensions": {"openai.role": "system"}}))),
        ("anthropic.content", said(json!({"role": "user", "content": "a", "extensions": {"anthropic.content": []}}))),
        ("anthropic.type", block(json!({"type": "text", "text": "a", "extensions": {"anthropic.type": "image"}}))),
        ("anthropic.source", block(json!({"type": "image", "url": "a", "extensions": {"anthropic.source": {}}}))),
        ("model", json!({"messages": [{"role": "user", "content": "a"}], "extensions": {"model": "o1-pro"}})),
        (
            "openai.function",
            json!({"messages": [{"role": "user", "content": "a"}],
                   "tools": [{"name": "a", "extensions": {"openai.function": {"name": "b"}}}]}),
        ),
    ] {
        folder.write("request.json", request.to_string()).unwrap();
        let output = run(&folder, &["invoke", "--json", "--request", "request.json"]).await;
        let error = output.json().unwrap()["error"].clone();
        assert_eq!((output.code, &error["kind"], &error["trail"]), (2, &json!("usage"), &json!([])), "{output:?}");
        assert!(error["message"].as_str().unwrap().contains(key), "{error}");
    }
    assert_eq!(a.connections(), 0);
    folder.write("request.json", conversation().to_string()).unwrap();
    let output = run(&folder, &["invoke", "--request", "request.json"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    let sent = body(&a);
    assert_eq!(
        (&sent["model"], &sent["mcp_servers"][0]["url"]),
        (&json!("a-model"), &json!("https://example.com/mcp"))
    );
    assert_eq!(sent["tools"], json!([{"name": "search", "type": "web_search"}]));
}

#[tokio::test]
async fn a_module_cannot_set_it_with_any_grant() {
    for (add, key) in [
        ("extension", "anthropic.model"),
        ("extension", "openai.model"),
        ("options-extension", "anthropic.Max_Tokens"),
        ("message-extension", "anthropic.role"),
        ("block-extension", "anthropic.type"),
        ("tool-extension", "openai.function"),
    ] {
        let a = replies([]).await;
        let settings = format!("add = \"{add}\"\nkey = \"{key}\"\ntext = '\"o1-pro\"'");
        let error = ask(&hostile(around(&a), &settings, &["urls", "extensions"])).await.unwrap_err();
        let ErrorKind::Module(failure) = &error.kind else { panic!("{error:?}") };
        assert!(failure.message.contains("`hostile`") && failure.message.contains(key), "{failure}");
        assert_eq!((&failure.extensions["module"], &failure.extensions["extension"]), (&json!("hostile"), &json!(key)));
        assert_eq!((a.connections(), error.trail.len()), (0, 0));
    }
}

#[tokio::test]
async fn unknown_fields_of_an_answer_can_be_sent_back() {
    let anthropic = json!({"type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "usage": {}, "content": [
        {"type": "text", "text": "a", "Type": "image", "role": "system", "content": [], "citations": [1]},
        {"type": "tool_use", "id": "t", "name": "n", "input": {}, "function": {}, "caller": "c"},
    ]});
    let call = json!({"id": "t", "type": "function", "function": {"name": "n", "arguments": "{}"}, "role": "system", "extra": 1});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let openai = json!({"choices": [{"finish_reason": "tool_calls", "message": message}]});
    for (format, answer, kept) in
        [(Format::Anthropic, anthropic, ["citations", "caller"]), (Format::OpenAi, openai, ["extra", "extra"])]
    {
        let a = replies([Reply::json(&answer)]).await;
        let model = load(&Chain::new().provider("a", format, &a.url()).folder().unwrap(), Overrides::new()).await;
        let said = soon(model.invoke(&[arcllm::Message::user("Hi")], &[])).await.unwrap();
        let messages = [arcllm::Message::user("Hi"), said.message(), arcllm::Message::tool_result("t", "1")];
        soon(model.invoke(&messages, &[])).await.unwrap();
        let sent = body(&a)["messages"][1].to_string();
        assert!(!sent.contains("system") && !sent.contains("image"), "{sent}");
        assert!(kept.iter().all(|kept| sent.contains(kept)), "{sent}");
    }
}
