//! A message of OpenAI Responses with two texts: their pieces come before either text is whole.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{
    scene::replies,
    serve::{
        gateway::{Answer, Gateway},
        responses::{
            accumulate::accumulate,
            provided::{Without, answer, message},
        },
    },
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

/// What several servers leave out.
const SERVERS: [Without; 9] = [
    Without { events: &[], fields: &[] },
    Without { events: &["content_part.done"], fields: &[] },
    Without { events: &["content_part.done", "_text.done", "refusal.done", "content_part.added"], fields: &[] },
    Without { events: &["output_item.done"], fields: &[] },
    Without { events: &["output_item.done", "content_part.done", "_text.done", "refusal.done"], fields: &[] },
    Without { events: &["added", "delta", "_text.done", "refusal.done", "part.done", "arguments.done"], fields: &[] },
    Without { events: &["added", "delta", "done"], fields: &[] },
    Without { events: &[], fields: &["content_index"] },
    Without { events: &[], fields: &["content_index", "output_index"] },
];

/// What a gateway with this module answers in the format of this route, streamed, where the provider sends these items.
async fn told(items: &[Value], without: Without, module: &str, path: &str) -> Answer {
    let provider = replies([Reply::body("text/event-stream", answer(items, without).1)]).await;
    let chain = Chain::new().provider("a", Format::Responses, &provider.url());
    let gateway = Gateway::start(&if module.is_empty() { chain } else { chain.module(module, "") }).await;
    let field = if path == "/v1/responses" { "input" } else { "messages" };
    let message = json!([{"role": "user", "content": "Hi"}]);
    gateway.post(path, &json!({"model": "a", "max_tokens": 9, "stream": true, field: message})).await
}

/// Messages and texts that say nothing are left out, and give nothing to the next ones.
#[tokio::test]
async fn what_is_empty_gives_the_next_one_nothing() {
    let items = [
        message("m1", "a", &["One"]),
        message("m2", "b", &[]),
        message("m3", "c", &["", "two three", "", "four"]),
        message("m4", "d", &[""]),
        message("m5", "e", &["five"]),
    ];
    let mut expected = [items[0].clone(), items[2].clone(), items[4].clone()];
    expected[1]["content"].as_array_mut().unwrap().retain(|part| part["text"] != "");
    for without in SERVERS {
        let told = accumulate(&told(&items, without, "redact", "/v1/responses").await);
        assert_eq!(told["output"], json!(expected), "without {without:?}");
    }
}

/// Some servers give all messages one id.
#[tokio::test]
async fn messages_with_one_id_are_all_told() {
    let items = [message("m", "a", &["One"]), message("m", "b", &["two"])];
    for without in SERVERS.into_iter().filter(|without| without.fields.is_empty()) {
        for path in ["/v1/messages", "/v1/chat/completions", "/v1/responses"] {
            let answer = told(&items, without, "redact", path).await;
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

/// What a server says only at the end, or without numbers, comes in its order, and once.
#[tokio::test]
async fn neighbours_stay_apart() {
    let call = json!({"type": "function_call", "id": "f1", "call_id": "c1", "name": "look", "arguments": "{\"a\":1}", "status": "completed"});
    let reasoning = json!({"type": "reasoning", "id": "t1", "summary": [{"type": "summary_text", "text": "Hm."}]});
    let mut refusing = message("m1", "a", &["One two"]);
    refusing["content"].as_array_mut().unwrap().push(json!({"type": "refusal", "refusal": "No way."}));
    let cases = [
        vec![message("m1", "commentary", &["First of all"]), message("m2", "final_answer", &["It is so"])],
        vec![message("m1", "commentary", &["One two", "three four", "five"])],
        vec![
            message("m1", "a", &["One", "two"]),
            message("m2", "b", &["three"]),
            message("m3", "c", &["four", "five"]),
        ],
        vec![message("m1", "a", &["One two"]), call, message("m2", "b", &["three"])],
        vec![message("m1", "a", &["One"]), reasoning, message("m2", "b", &["two", "three"])],
        vec![refusing, message("m2", "b", &["three"])],
    ];
    for (items, without) in cases.iter().flat_map(|items| SERVERS.map(|without| (items, without))) {
        // A text that nobody calls whole may go on behind the call.
        let may_go_on = without.events.contains(&"output_item.done") && without.events.contains(&"_text.done");
        let is_mixed = items.iter().any(|item| item["type"] != "message");
        for module in ["redact", "resume"] {
            let told = accumulate(&told(items, without, module, "/v1/responses").await);
            if !(may_go_on && is_mixed) {
                assert_eq!(told["output"], json!(items), "{module}, without {without:?}");
            }
        }
        let texts = items.iter().flat_map(|item| item["content"].as_array().into_iter().flatten());
        let all: String = texts.filter_map(|part| part["text"].as_str()).collect();
        for module in ["", "redact"] {
            let answer = told(items, without, module, "/v1/chat/completions").await;
            assert_eq!(said(&answer.events(), "/v1/chat/completions"), all, "`{module}`, without {without:?}");
        }
    }
}

/// Each refusal is told, wherever it stands, and quotes have their places in the text without them.
#[tokio::test]
async fn a_chat_client_hears_each_refusal() {
    let mut item = message("m1", "a", &["x"]);
    let refusal = |text: &str| json!({"type": "refusal", "refusal": text});
    let content = item["content"].as_array_mut().unwrap();
    content.insert(0, refusal("Not this. "));
    content.push(refusal("Nor that."));
    let answer = told(&[item], Without::default(), "", "/v1/chat/completions").await;
    let events = answer.events();
    let datas = events.iter().filter_map(|(_, data)| serde_json::from_str::<Value>(data).ok());
    let deltas: Vec<Value> = datas.filter_map(|data| data.pointer("/choices/0/delta").cloned()).collect();
    let refused: String = deltas.iter().filter_map(|delta| delta["refusal"].as_str()).collect();
    assert_eq!(refused, "Not this. Nor that.", "{}", answer.body);
    let quotes: Vec<&Value> = deltas.iter().filter_map(|delta| delta.pointer("/annotations/0/url_citation")).collect();
    assert_eq!(quotes.len(), 1, "{}", answer.body);
    assert_eq!((&quotes[0]["start_index"], &quotes[0]["end_index"]), (&json!(0), &json!(1)));
}

/// What the provider says of the whole answer only at its end.
#[tokio::test]
async fn the_first_events_have_nothing_of_the_end() {
    let (_, streamed) = answer(&[message("m1", "a", &["One two"])], Without::default());
    let streamed = streamed.replace(
        "\"type\":\"response.completed\",\"response\":{",
        "\"type\":\"response.completed\",\"response\":{\"completed_at\":7,\"new\":\"end\",",
    );
    assert!(streamed.contains("completed_at"));
    let provider = replies([Reply::body("text/event-stream", streamed)]).await;
    let chain = Chain::new().provider("a", Format::Responses, &provider.url()).module("redact", "");
    let body = json!({"model": "a", "stream": true, "input": "Hi"});
    let answer = Gateway::start(&chain).await.post("/v1/responses", &body).await;
    for (name, data) in answer.events() {
        let is_end = name == "response.completed";
        assert_eq!(data.contains("\"completed_at\":7") && data.contains("\"new\":\"end\""), is_end, "{data}");
    }
}

/// Anthropic has a block with the name of an item, and in another shape.
#[tokio::test]
async fn a_block_with_the_name_of_an_item_is_none() {
    let content = json!([{"type": "compaction", "content": "So far."}, {"type": "text", "text": "B"}]);
    let whole = json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1}});
    let provider = replies([Reply::json(&whole)]).await;
    let gateway = Gateway::start(&Chain::new().provider("a", Format::Anthropic, &provider.url())).await;
    let answer = gateway.post("/v1/responses", &json!({"model": "a", "input": "Hi"})).await;
    let output = answer.json()["output"].take();
    assert_eq!((output.as_array().unwrap().len(), &output[0]["type"]), (1, &json!("message")), "{}", answer.body);
}

/// What stands across a call is one text, as in the whole answer: a module finds what it looks for.
#[tokio::test]
async fn a_text_may_go_on_behind_a_call() {
    let call = json!({"type": "function_call", "id": "f1", "call_id": "c1", "name": "look", "arguments": "{}", "status": "completed"});
    let delta = |piece: &str| json!({"type": "response.output_text.delta", "item_id": "m1", "output_index": 0, "content_index": 0, "delta": piece});
    let item = message("m1", "a", &["Write to jane@example.com now."]);
    let mut begun = item.clone();
    begun["content"] = json!([]);
    let whole = json!({"id": "r1", "status": "completed", "model": "m", "output": [item, call], "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}});
    let events = [
        json!({"type": "response.created", "response": {"id": "r1", "status": "in_progress", "model": "m"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": begun}),
        delta("Write to jane@"),
        json!({"type": "response.output_item.added", "output_index": 1, "item": call}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": call}),
        delta("example.com now."),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": whole}),
    ];
    let write = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    for path in ["/v1/responses", "/v1/messages", "/v1/chat/completions"] {
        let streamed: String = events.iter().map(write).collect();
        let provider = replies([Reply::body("text/event-stream", streamed)]).await;
        let chain = Chain::new().provider("a", Format::Responses, &provider.url()).module("redact", "");
        let gateway = Gateway::start(&chain).await;
        let hi = json!([{"role": "user", "content": "Hi"}]);
        let body = json!({"model": "a", "max_tokens": 9, "stream": true, "input": hi, "messages": hi});
        let answer = gateway.post(path, &body).await;
        assert!(answer.body.contains("[EMAIL_1]") && !answer.body.contains("example.com"), "{path}: {}", answer.body);
    }
}

/// Some servers send the seal of reasoning behind the item that follows.
#[tokio::test]
async fn reasoning_keeps_a_seal_that_comes_late() {
    let reasoning = json!({"type": "reasoning", "id": "t1", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "SEALED"});
    let begun = json!({"type": "reasoning", "id": "t1", "summary": []});
    let item = message("m1", "a", &["Yes."]);
    let whole = json!({"id": "r1", "status": "completed", "model": "m", "output": [reasoning, item], "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}});
    let late = [
        vec![
            json!({"type": "response.output_item.done", "output_index": 0, "item": reasoning}),
            json!({"type": "response.completed", "response": whole}),
        ],
        vec![json!({"type": "response.completed", "response": whole})],
    ];
    for end in late {
        let mut events = vec![
            json!({"type": "response.created", "response": {"id": "r1", "status": "in_progress", "model": "m"}}),
            json!({"type": "response.output_item.added", "output_index": 0, "item": begun}),
            json!({"type": "response.reasoning_summary_text.delta", "item_id": "t1", "output_index": 0, "summary_index": 0, "delta": "Hm."}),
            json!({"type": "response.output_item.added", "output_index": 1, "item": message("m1", "a", &[])}),
            json!({"type": "response.output_text.delta", "item_id": "m1", "output_index": 1, "content_index": 0, "delta": "Yes."}),
        ];
        events.extend(end);
        let write = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
        let provider = replies([Reply::body("text/event-stream", events.iter().map(write).collect::<String>())]).await;
        let gateway = Gateway::start(&Chain::new().provider("a", Format::Responses, &provider.url())).await;
        let hi = json!([{"role": "user", "content": "Hi"}]);
        let body = json!({"model": "a", "max_tokens": 9, "stream": true, "messages": hi});
        let answer = gateway.post("/v1/messages", &body).await;
        assert!(answer.body.contains("SEALED"), "{}", answer.body);
        assert_eq!(answer.body.matches("Hm.").count(), 1, "{}", answer.body);
    }
}
