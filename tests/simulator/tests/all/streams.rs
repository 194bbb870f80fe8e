//! Streams in all formats: event by event, and as whole answers.

use arcllm_simulator::{Reply, Script, Simulator, Usage};
use serde_json::{Value, json};

use crate::client::{COMPLETIONS, Client, MESSAGES, RESPONSES, ask, request, streaming};
use crate::sse::{Event, collected, stream};

fn rich() -> Reply {
    Reply::text("It rains in Malmö today, as ever.")
        .thinking("Look outside first", "c2lnbmVk")
        .tool_call("call_7", "weather", json!({"city": "Malmö", "days": [1, 2, 3]}))
        .tool_call("call_8", "time", json!({}))
        .usage(Usage {
            input_tokens: 11,
            output_tokens: 7,
            cache_read_tokens: 3,
            cache_write_tokens: 2,
            cache_write_hour_tokens: 1,
            reasoning_tokens: 4,
        })
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

#[tokio::test]
async fn a_stream_of_anthropic() {
    let streamed = stream(Reply::text("Hello there"), MESSAGES).await;
    assert!(streamed.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", streamed.head);
    assert!(streamed.head.contains("content-type: text/event-stream\r\n"), "{}", streamed.head);
    assert!(streamed.head.contains("transfer-encoding: chunked\r\n"), "{}", streamed.head);
    assert!(!streamed.head.contains("content-length"), "{}", streamed.head);
    assert!(streamed.is_ended && streamed.error.is_none());
    let events = streamed.events();
    // Each event is a chunk.
    assert_eq!(streamed.chunks.len(), events.len());
    let data: Vec<Value> = events.iter().map(Event::json).collect();
    let usage = json!({
        "input_tokens": 10,
        "output_tokens": 1,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    });
    assert_eq!(
        json!(data),
        json!([
            {"type": "message_start", "message": {
                "id": "msg_sim000001", "type": "message", "role": "assistant", "model": "some-model", "content": [],
                "stop_reason": null, "stop_sequence": null, "usage": usage,
            }},
            {"type": "ping"},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " there"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ])
    );
    assert!(events.iter().zip(&data).all(|(event, data)| data["type"] == event.name));
}

#[tokio::test]
async fn a_stream_of_openai() {
    let reply = Reply::text("Hi you").tool_call("call_7", "weather", json!({"city": "Oslo"}));
    let streamed = stream(reply, COMPLETIONS).await;
    assert!(streamed.is_ended && streamed.text().ends_with("\n\ndata: [DONE]\n\n"));
    let events = streamed.events();
    assert!(names(&events).iter().all(|name| name.is_empty()));
    let data: Vec<Value> = events[..events.len() - 1].iter().map(Event::json).collect();
    for chunk in &data {
        assert_eq!((&chunk["id"], &chunk["model"]), (&json!("chatcmpl-sim000001"), &json!("some-model")));
        assert_eq!(chunk["created"], 1_750_000_001);
    }
    let deltas: Vec<Value> = data.iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect();
    let call =
        json!({"index": 0, "id": "call_7", "type": "function", "function": {"name": "weather", "arguments": ""}});
    assert_eq!(
        json!(deltas),
        json!([
            {"role": "assistant", "content": "", "refusal": null},
            {"content": "Hi"},
            {"content": " you"},
            {"tool_calls": [call]},
            {"tool_calls": [{"index": 0, "function": {"arguments": "{\"city\":"}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": "\"Oslo\"}"}}]},
            {},
            null,
        ])
    );
    let finish: Vec<&Value> = data.iter().map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
    assert_eq!(finish[6], "tool_calls");
    assert!(finish[..6].iter().all(|reason| reason.is_null()));
    assert_eq!((&data[7]["choices"], &data[7]["usage"]["total_tokens"]), (&json!([]), &json!(15)));
    assert!(data[..7].iter().all(|chunk| chunk["usage"].is_null()));
}

#[tokio::test]
async fn a_stream_of_responses() {
    let reply = Reply::text("Hi you").thinking("Hm", "ZW5j").tool_call("call_7", "weather", json!({"city": "Oslo"}));
    let streamed = stream(reply, RESPONSES).await;
    let events = streamed.events();
    let data: Vec<Value> = events.iter().map(Event::json).collect();
    for ((event, data), number) in events.iter().zip(&data).zip(0..) {
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(event.name), &json!(number)));
    }
    let short: Vec<&str> = names(&events).into_iter().map(|name| name.strip_prefix("response.").unwrap()).collect();
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(short, expected);
    let response = &data[20]["response"];
    assert_eq!((&response["status"], &response["usage"]["total_tokens"]), (&json!("completed"), &json!(15)));
    let kinds: Vec<&Value> = response["output"].as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call"]);
    assert_eq!(response["output"][0]["encrypted_content"], "ZW5j");
    assert_eq!(response["output"][2]["call_id"], "call_7");
    assert!(streamed.is_ended && !streamed.text().contains("[DONE]"));
    for (reason, kind) in [("max_tokens", "response.incomplete"), ("refusal", "response.completed")] {
        let events = stream(Reply::text("No").stop_reason(reason), RESPONSES).await.events();
        assert_eq!(events.last().unwrap().name, kind);
        assert_eq!(events.iter().any(|event| event.name == "response.refusal.delta"), reason == "refusal");
    }
}

#[tokio::test]
async fn openai_sends_usage_only_where_it_is_asked_for() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    let body = json!({"model": "m", "stream": true});
    client.send(&request(COMPLETIONS, "connection: close\r\n", &body)).await;
    let text = String::from_utf8(client.rest().await.0).unwrap();
    assert!(text.contains("[DONE]") && !text.contains("usage"), "{text}");
}

#[tokio::test]
async fn a_stream_adds_up_to_the_answer() {
    let replies = [
        Reply::default(),
        rich(),
        rich().pieces(3),
        rich().piece_bytes(1),
        Reply::text("").stop_reason("max_tokens"),
        Reply::text("x".repeat(100_000)).piece_bytes(1000),
        Reply::default().model("other").tool_call("a", "b", json!({"deep": {"er": "\\\"{"}})),
    ];
    for reply in replies {
        for path in [MESSAGES, COMPLETIONS, RESPONSES] {
            let simulator = Simulator::start(Script::new([reply.clone()])).await.unwrap();
            let whole = ask(&simulator, path).await.json();
            for style in [reply.clone(), reply.clone().comments().split_data().pings().unknown_events()] {
                let streamed = stream(style, path).await;
                assert_eq!(collected(path, &streamed.events()), whole);
            }
        }
    }
}

#[tokio::test]
async fn thinking_is_streamed_with_its_signature() {
    let events = stream(rich(), MESSAGES).await.events();
    let deltas: Vec<Value> = events.iter().map(|event| event.json()["delta"].clone()).collect();
    let place = |delta: Value| deltas.iter().position(|known| *known == delta).unwrap();
    let first = place(json!({"type": "thinking_delta", "thinking": "Look"}));
    assert_eq!(place(json!({"type": "signature_delta", "signature": "c2lnbmVk"})), first + 3);
    assert_eq!(names(&events)[first + 4], "content_block_stop");
    let empty = json!({"type": "input_json_delta", "partial_json": ""});
    assert_eq!(deltas.iter().filter(|delta| **delta == empty).count(), 2);
}

#[tokio::test]
async fn other_replies_stay_as_they_are() {
    let replies = [
        Reply::error(529, "later"),
        Reply::status(400),
        Reply::error(200, "surprise").streamed(),
        Reply::json(&json!({"any": "thing"})),
        Reply::text("whole").unstreamed(),
        Reply::status(204),
    ];
    let simulator = Simulator::start(Script::new(replies)).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    for (status, says) in [(529, "later"), (400, "invalid"), (200, "surprise"), (200, "any"), (200, "whole"), (204, "")]
    {
        client.send(&streaming(MESSAGES)).await;
        let response = client.read().await;
        assert_eq!(response.status, status);
        assert!(String::from_utf8(response.body).unwrap().contains(says));
    }
}

#[tokio::test]
async fn an_answer_can_be_streamed_unasked() {
    let reply = Reply::text("Hi").streamed().header("connection", "close");
    let simulator = Simulator::start(Script::new([reply])).await.unwrap();
    let (bytes, _) = crate::client::whole_exchange(&simulator, COMPLETIONS).await;
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("text/event-stream") && text.contains("data: [DONE]"), "{text}");
}

#[tokio::test]
async fn a_stream_leaves_the_connection_open() {
    let simulator = Simulator::start(Script::new([rich(), Reply::text("next")])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&[streaming(MESSAGES), crate::client::usual(MESSAGES)].concat()).await;
    client.read_head().await;
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n0\r\n\r\n") {
        bytes.extend(client.read_bytes(1).await);
    }
    assert_eq!(client.read().await.json()["content"][0]["text"], "next");
    assert_eq!(client.ask(MESSAGES).await.status, 200);
    assert_eq!(simulator.connections(), 1);
    assert!(simulator.requests().iter().all(|request| !request.dropped()));
}
