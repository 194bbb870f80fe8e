//! A message of OpenAI Responses with two texts: their pieces come before either text is whole.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{scene::replies, serve::gateway::Gateway, support::Chain};

fn stream() -> String {
    let text = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let item = |content: Value| json!({"type": "message", "id": "m1", "status": "completed", "role": "assistant", "content": content});
    let response = |status: &str, output: Value| {
        json!({"id": "r1", "object": "response", "created_at": 1, "status": status, "model": "m", "output": output,
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}})
    };
    let delta = |at: u32, piece: &str| json!({"type": "response.output_text.delta", "item_id": "m1", "output_index": 0, "content_index": at, "delta": piece});
    let whole = item(json!([text("A"), text("B")]));
    let events = [
        json!({"type": "response.created", "response": response("in_progress", json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item(json!([]))}),
        delta(0, "A"),
        delta(1, "B"),
        json!({"type": "response.output_item.done", "output_index": 0, "item": whole}),
        json!({"type": "response.completed", "response": response("completed", json!([whole]))}),
    ];
    events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).collect()
}

/// The pieces of text in a stream of this route.
fn said(events: &[(String, String)], path: &str) -> String {
    let place = match path {
        "/v1/messages" => "/delta/text",
        "/v1/chat/completions" => "/choices/0/delta/content",
        _ => "/delta",
    };
    let datas = events.iter().filter_map(|(_, data)| serde_json::from_str::<Value>(data).ok());
    datas.filter_map(|data| data.pointer(place)?.as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn are_said_once_in_each_format() {
    let reply = || Reply::body("text/event-stream", stream());
    let provider = replies([reply(), reply(), reply()]).await;
    // A module that writes answers, so that no provider's own events come.
    let chain = Chain::new().provider("a", Format::Responses, &provider.url()).module("redact", "");
    let gateway = Gateway::start(&chain).await;
    let message = json!([{"role": "user", "content": "Hi"}]);
    for (path, field) in
        [("/v1/messages", "messages"), ("/v1/chat/completions", "messages"), ("/v1/responses", "input")]
    {
        let answer = gateway.post(path, &json!({"model": "a", "max_tokens": 9, "stream": true, field: message})).await;
        assert_eq!((answer.status, &*said(&answer.events(), path)), (200, "AB"), "{path}: {}", answer.body);
    }
}
