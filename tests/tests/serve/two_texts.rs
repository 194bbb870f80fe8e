//! A message of OpenAI Responses with two texts: their pieces come before either text is whole.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{
    scene::replies,
    serve::{gateway::Gateway, responses::accumulate::accumulate},
    support::Chain,
};

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

/// A message as OpenAI writes it. Each text has a quote, unless it is empty.
fn message(id: &str, phase: &str, texts: &[&str]) -> Value {
    let part = |text: &&str| {
        let quote = json!({"type": "url_citation", "start_index": 0, "end_index": 1, "url": format!("https://{text}.test"), "title": text});
        json!({"type": "output_text", "text": text, "annotations": [quote], "logprobs": []})
    };
    let content: Vec<Value> = texts.iter().map(part).collect();
    json!({"id": id, "type": "message", "status": "completed", "role": "assistant", "phase": phase, "content": content})
}

/// An answer with these items, whole and streamed. Some servers leave out events: those whose types end so.
fn answer(items: &[Value], without: &[&str]) -> (Value, String) {
    let response = |status: &str, output: &[Value]| {
        json!({"id": "r1", "object": "response", "created_at": 1, "status": status, "model": "m", "output": output,
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}})
    };
    let mut events = vec![json!({"type": "response.created", "response": response("in_progress", &[])})];
    for (place, item) in items.iter().enumerate() {
        let mut tell = |kind: &str, more: Value| {
            let mut event = json!({"type": format!("response.{kind}"), "output_index": place});
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            events.push(event);
        };
        let mut begun = item.clone();
        (begun["status"], begun["content"]) = (json!("in_progress"), json!([]));
        tell("output_item.added", json!({"item": begun}));
        for (at, part) in item["content"].as_array().unwrap().iter().enumerate() {
            let of = |name: &str, value: &Value| json!({"item_id": item["id"], "content_index": at, name: value});
            let mut empty = part.clone();
            (empty["text"], empty["annotations"]) = (json!(""), json!([]));
            tell("content_part.added", of("part", &empty));
            for piece in part["text"].as_str().unwrap().split_inclusive(' ') {
                tell("output_text.delta", of("delta", &json!(piece)));
            }
            let mut quote = of("annotation", &part["annotations"][0]);
            quote["annotation_index"] = json!(0);
            tell("output_text.annotation.added", quote);
            tell("output_text.done", of("text", &part["text"]));
            tell("content_part.done", of("part", part));
        }
        tell("output_item.done", json!({"item": item}));
    }
    events.push(json!({"type": "response.completed", "response": response("completed", items)}));
    let kind = |event: &Value| event["type"].as_str().unwrap().to_owned();
    let write = |event: &Value| format!("event: {}\ndata: {event}\n\n", kind(event));
    let told = events.iter().filter(|event| !without.iter().any(|end| kind(event).ends_with(end)));
    (response("completed", items), told.map(write).collect())
}

/// A message that says nothing is left out, and gives nothing to the next one.
#[tokio::test]
async fn an_empty_message_gives_the_next_one_nothing() {
    let items = [message("m1", "a", &["One"]), message("m2", "b", &[]), message("m3", "c", &["two"])];
    let provider = replies([Reply::body("text/event-stream", answer(&items, &[]).1)]).await;
    let chain = Chain::new().provider("a", Format::Responses, &provider.url()).module("redact", "");
    let body = json!({"model": "a", "stream": true, "input": "Hi"});
    let told = accumulate(&Gateway::start(&chain).await.post("/v1/responses", &body).await);
    assert_eq!(told["output"], json!([items[0], items[2]]));
}

/// Some servers give all messages one id.
#[tokio::test]
async fn messages_with_one_id_are_all_told() {
    let items = [message("m", "a", &["One"]), message("m", "b", &["two"])];
    let all: [&[&str]; 3] = [&[], &["content_part.done", "output_text.done"], &["added", "delta", "done"]];
    for without in all {
        let replies = vec![Reply::body("text/event-stream", answer(&items, without).1); 3];
        let provider = crate::scene::replies(replies).await;
        let gateway =
            Gateway::start(&Chain::new().provider("a", Format::Responses, &provider.url()).module("redact", "")).await;
        let message = json!([{"role": "user", "content": "Hi"}]);
        for (path, field) in
            [("/v1/messages", "messages"), ("/v1/chat/completions", "messages"), ("/v1/responses", "input")]
        {
            let answer =
                gateway.post(path, &json!({"model": "a", "max_tokens": 9, "stream": true, field: message})).await;
            assert_eq!(said(&answer.events(), path), "Onetwo", "{path} without {without:?}: {}", answer.body);
        }
    }
}

/// A text before a refusal keeps its quotes.
#[tokio::test]
async fn a_refusal_takes_nothing_from_the_text_before() {
    let mut item = message("m1", "a", &["One two"]);
    item["content"].as_array_mut().unwrap().push(json!({"type": "refusal", "refusal": "No."}));
    let of = |kind: &str, more: Value| {
        let mut event =
            json!({"type": format!("response.{kind}"), "item_id": "m1", "output_index": 0, "content_index": 0});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let usage = json!({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3});
    let whole = json!({"id": "r1", "object": "response", "status": "completed", "model": "m", "output": [item], "usage": usage});
    let events = [
        json!({"type": "response.created", "response": {"id": "r1", "status": "in_progress", "model": "m"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": message("m1", "a", &[])}),
        of("output_text.delta", json!({"delta": "One two"})),
        of("output_text.annotation.added", json!({"annotation": item["content"][0]["annotations"][0]})),
        of("content_part.done", json!({"part": item["content"][0]})),
        of("refusal.done", json!({"content_index": 1, "refusal": "No."})),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": whole}),
    ];
    let write = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    let streamed: String = events.iter().map(write).collect();
    let provider = replies([Reply::body("text/event-stream", streamed)]).await;
    let chain = Chain::new().provider("a", Format::Responses, &provider.url()).module("redact", "");
    let answer =
        Gateway::start(&chain).await.post("/v1/responses", &json!({"model": "a", "stream": true, "input": "Hi"})).await;
    assert_eq!(accumulate(&answer)["output"][0]["content"], item["content"]);
}

/// Messages beside each other, and texts beside each other in one message, stay what they are behind modules that read the answer.
#[tokio::test]
async fn neighbours_stay_apart() {
    let cases = [
        vec![message("m1", "commentary", &["First of all"]), message("m2", "final_answer", &["It is so"])],
        vec![message("m1", "commentary", &["One two", "three four", "five"])],
        vec![
            message("m1", "a", &["One", "two"]),
            message("m2", "b", &["three"]),
            message("m3", "c", &["four", "five"]),
        ],
    ];
    let all: [&[&str]; 4] = [
        &[],
        &["content_part.done"],
        &["content_part.done", "output_text.done", "content_part.added"],
        &["output_item.done"],
    ];
    for (items, without) in cases.iter().flat_map(|items| all.map(|without| (items, without))) {
        for module in ["redact", "resume"] {
            let (whole, streamed) = answer(items, without);
            let told = [Reply::json(&whole), Reply::body("text/event-stream", streamed)];
            let provider = replies(told).await;
            let chain = Chain::new().provider("a", Format::Responses, &provider.url()).module(module, "");
            let gateway = Gateway::start(&chain).await;
            let body = |stream: bool| json!({"model": "a", "stream": stream, "input": "Hi"});
            let told = gateway.post("/v1/responses", &body(false)).await.json();
            assert_eq!(told["output"], json!(items), "{module}");
            let told = accumulate(&gateway.post("/v1/responses", &body(true)).await);
            assert_eq!(told["output"], json!(items), "{module}, streamed without {without:?}");
        }
    }
}
