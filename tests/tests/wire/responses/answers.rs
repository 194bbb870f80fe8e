//! Answers of OpenAI Responses, and what comes back of them.

use arcllm::{Conversation, Model, Overrides, Request, Response, ToolResult};
use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{
    scene::{replies, soon},
    support::Chain,
    wire::{
        moving::stage::{add, host},
        stage::read,
    },
};

async fn ask(model: &Model, conversation: &Conversation, streamed: bool) -> Response {
    let request = Request::new(conversation.messages().unwrap());
    match streamed {
        true => soon(model.stream_with(request).collect()).await.unwrap(),
        false => soon(model.invoke_with(request)).await.unwrap(),
    }
}

/// The first two calls of a tool loop: the items of the answer, and the second request of its provider and of another one.
async fn tool_loop(streamed: bool) -> [Value; 2] {
    let says = || {
        let says = Reply::text("Let me look.").thinking("It is about rain.", "c2lnbmF0dXJl");
        says.tool_call("call_1", "weather", json!({"city": "Oslo"})).tool_call("call_2", "weather", json!({}))
    };
    let (a, b) = (replies([says(), Reply::status(503)]).await, replies([]).await);
    let chain = add(Chain::new(), "responses", Format::Responses, &a, "");
    let chain = add(chain, "other", Format::Responses, &b, "").module("fallback", "chain = [\"responses\", \"other\"]");
    let model = soon(host(&chain).load_model("responses", Overrides::new())).await.unwrap();
    let mut conversation = Conversation::new();
    conversation.user("How is the weather?");
    let answer = ask(&model, &conversation, streamed).await;
    assert_eq!((answer.stop_reason.as_str(), answer.usage.total_tokens), ("tool_use", 15));
    assert_eq!(answer.thinking().as_deref(), Some("It is about rain."));
    conversation.push(&answer);
    for id in ["call_2", "call_1"] {
        conversation.tool_result(ToolResult::text(id, "Rain")).unwrap();
    }
    assert_eq!(ask(&model, &conversation, streamed).await.provider, "other");
    [a.requests()[1].body["input"].clone(), b.requests()[0].body["input"].clone()]
}

#[tokio::test]
async fn its_author_gets_an_answer_back_item_by_item() {
    for streamed in [false, true] {
        let [own, other] = tool_loop(streamed).await;
        let text = json!({"type": "output_text", "text": "Let me look.", "annotations": []});
        let summary = json!([{"type": "summary_text", "text": "It is about rain."}]);
        let expected = json!([
            {"type": "message", "role": "user", "content": "How is the weather?"},
            {"type": "reasoning", "summary": summary, "encrypted_content": "c2lnbmF0dXJl", "id": "rs_sim000001"},
            {"type": "message", "role": "assistant", "content": [text], "id": "msg_sim000001", "status": "completed"},
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{\"city\":\"Oslo\"}",
             "id": "fc_sim000001_1", "status": "completed"},
            {"type": "function_call", "call_id": "call_2", "name": "weather", "arguments": "{}",
             "id": "fc_sim000001_2", "status": "completed"},
            {"type": "function_call_output", "call_id": "call_1", "output": "Rain"},
            {"type": "function_call_output", "call_id": "call_2", "output": "Rain"},
        ]);
        assert_eq!(own, expected);
        let expected = json!([
            {"type": "message", "role": "user", "content": "How is the weather?"},
            {"type": "message", "role": "assistant", "content": "Let me look."},
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{\"city\":\"Oslo\"}"},
            {"type": "function_call", "call_id": "call_2", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "Rain"},
            {"type": "function_call_output", "call_id": "call_2", "output": "Rain"},
        ]);
        assert_eq!(other, expected);
    }
}

#[tokio::test]
async fn why_the_answer_ended() {
    for (word, expected) in [
        ("end_turn", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("refusal", "refusal"),
        ("content_filter", "content_filter"),
        ("something_new", "something_new"),
    ] {
        let answer = read(Format::Responses, Reply::text("x").stop_reason(word)).await;
        assert_eq!((&answer["stop_reason"], &answer["content"]), (&json!(expected), &json!("x")), "{word}");
    }
}

/// Items of tools that the provider runs are kept, and only that provider gets them back.
#[tokio::test]
async fn items_of_other_types_are_blocks() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}});
    let text = json!({"type": "output_text", "text": "Rain.", "annotations": [{"type": "url_citation", "url": "u"}]});
    let message = json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "phase": "final_answer", "content": [text]});
    let body =
        json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [search, message]});
    let provider = replies([Reply::json(&body)]).await;
    let host = host(&add(Chain::new(), "responses", Format::Responses, &provider, ""));
    let model = soon(host.load_model("responses", Overrides::new())).await.unwrap();
    let mut conversation = Conversation::new();
    conversation.user("Hi");
    let answer = ask(&model, &conversation, false).await;
    conversation.push(&answer);
    conversation.user("And now?");
    ask(&model, &conversation, false).await;
    let items = provider.requests()[1].body["input"].clone();
    assert_eq!((&items[1], &items[2]), (&search, &message));
}
