//! Streams: blocks one after the other, and how a stream breaks off.

use arcllm_simulator::{Fault, Format, Place, Reply};
use serde_json::{Value, json};

use super::stage::{ALL, Gateway, gateway, question};
use crate::{scene::replies, support::Chain, verbatim::streams::sends};

#[tokio::test]
async fn blocks_of_parallel_calls_stand_one_after_the_other() {
    for fault in [Fault::InterleavedToolCalls] {
        let reply = Reply::text("Both.")
            .tool_call("call_1", "look", json!({"city": "Paris", "days": [1, 2]}))
            .tool_call("call_2", "look", json!({"city": "Rome", "days": [3]}))
            .with_fault(fault);
        let (gateway, _provider) = gateway(Format::OpenAi, [reply]).await;
        let got = gateway.ask(&question(json!({"stream": true}))).await.streamed();
        let call = |id: &str, city: &str, days: &[u8]| json!({"type": "tool_use", "id": id, "name": "look", "input": {"city": city, "days": days}});
        let calls = [call("call_1", "Paris", &[1, 2]), call("call_2", "Rome", &[3])];
        assert_eq!(got["content"], json!([{"type": "text", "text": "Both."}, calls[0], calls[1]]), "{fault:?}");
        assert_eq!(got["stop_reason"], "tool_use");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error() {
    for format in ALL {
        for fault in [Fault::ResetInBody, Fault::EndEarly] {
            let reply = Reply::text("Hello, world, and goodbye.").with_fault(fault).fault_at(Place::BeforeEvent(6));
            let (gateway, _provider) = gateway(format, [reply]).await;
            let answer = gateway.ask(&question(json!({"stream": true}))).await;
            let events = answer.events();
            let (last, data) = events.last().unwrap();
            assert_eq!(last, "error", "{format}, {fault:?}: {}", answer.text);
            assert_eq!(data["error"]["type"], "api_error", "{data}");
            assert!(data["error"]["message"].is_string() && data.get("request_id").is_some(), "{data}");
            assert!(!answer.text.contains("message_stop"), "{format}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn the_same_request_again_without_stream() {
    for format in ALL {
        let cut = Reply::text("Hello, world, and goodbye.").with_fault(Fault::EndEarly).fault_at(Place::BeforeEvent(6));
        let replies = [cut, Reply::text("Whole.")];
        let (gateway, _provider) = gateway(format, replies).await;
        assert!(gateway.ask(&question(json!({"stream": true}))).await.text.contains("event: error"));
        let got = gateway.ask(&question(json!({}))).await.json();
        assert_eq!(got["content"][0]["text"], "Whole.", "{format}");
    }
}

/// Anthropic counts the input again at the end, with what tools have read meanwhile.
#[tokio::test]
async fn the_last_counts_of_a_provider_hold() {
    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let begins = json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [],
        "usage": {"input_tokens": 2, "output_tokens": 1}});
    let counts = json!({"input_tokens": 25, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4,
        "output_tokens": 7});
    let events = [
        json!({"type": "message_start", "message": begins}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": counts}),
        json!({"type": "message_stop"}),
    ];
    let events: Vec<_> = events.into_iter().map(event).collect();
    let provider = replies(std::iter::repeat_with(|| sends(events.clone())).take(4)).await;
    let chain = Chain::new().provider("a", Format::Anthropic, &provider.url());
    let (plain, rewriting) = (Gateway::over(&chain), Gateway::over(&chain.module("redact", "")));
    for gateway in [&plain, &rewriting] {
        let usage = &gateway.ask(&question(json!({"stream": true}))).await.streamed()["usage"];
        for (name, count) in counts.as_object().unwrap() {
            assert_eq!(usage[name], *count, "{usage}");
        }
    }
    let input = json!({"input": "Hi", "stream_options": {"include_usage": true}, "stream": true});
    for (path, counts) in [
        ("/v1/chat/completions", "\"prompt_tokens\":32,\"completion_tokens\":7"),
        ("/v1/responses", "\"input_tokens\":32"),
    ] {
        let answer = plain.post(path, &[], &question(input.clone())).await;
        assert!(answer.text.contains(counts), "{path}: {}", answer.text);
    }
}
