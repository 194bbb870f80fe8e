//! What clients get of an answer, whole and streamed.

use arcllm_simulator::{Format, Reply, Usage};
use serde_json::{Value, json};

use super::stage::{ALL, Gateway, exchange, gateway, question};
use crate::{scene::replies, support::Chain, verbatim::streams::sends};

#[tokio::test]
async fn a_text() {
    for format in ALL {
        let got = exchange(format, Reply::text("Hällo, \"you\"\n🌍"), question(json!({}))).await.answer;
        assert!(got["id"].as_str().unwrap().starts_with("msg_"), "{got}");
        assert_eq!((&got["type"], &got["role"]), (&json!("message"), &json!("assistant")));
        assert_eq!(got["content"], json!([{"type": "text", "text": "Hällo, \"you\"\n🌍"}]));
        assert_eq!((&got["stop_reason"], &got["stop_sequence"]), (&json!("end_turn"), &Value::Null));
    }
}

#[tokio::test]
async fn tokens() {
    let usage = Usage { input_tokens: 30, output_tokens: 7, cache_read_tokens: 20, ..Usage::default() };
    for (format, input) in [(Format::Anthropic, 30), (Format::OpenAi, 10), (Format::Responses, 10)] {
        let got = exchange(format, Reply::text("Hi").usage(usage), question(json!({}))).await.answer;
        let count = |name: &str| got["usage"][name].as_u64().unwrap();
        // OpenAI counts what comes from the cache as input, and Anthropic beside it.
        assert_eq!((count("input_tokens"), count("cache_read_input_tokens")), (input, 20), "{format}");
        assert_eq!((count("output_tokens"), count("cache_creation_input_tokens")), (7, 0), "{format}");
    }
}

#[tokio::test]
async fn a_stream_tells_all_tokens_at_its_end() {
    let usage = Usage { input_tokens: 30, output_tokens: 7, cache_read_tokens: 20, ..Usage::default() };
    for (format, input) in [(Format::OpenAi, 10), (Format::Responses, 10)] {
        let (gateway, _provider) = gateway(format, [Reply::text("Hi").usage(usage)]).await;
        let events = gateway.ask(&question(json!({"stream": true}))).await.events();
        let (_, last) = events.iter().find(|(name, _)| name == "message_delta").unwrap();
        let usage = &last["usage"];
        assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(input), &json!(7)), "{format}");
        assert_eq!(usage["cache_read_input_tokens"], 20, "{format}");
    }
}

#[tokio::test]
async fn why_an_answer_ends() {
    for format in ALL {
        for reason in ["end_turn", "max_tokens", "refusal"] {
            let got = exchange(format, Reply::text("Hi").stop_reason(reason), question(json!({}))).await.answer;
            assert_eq!(got["stop_reason"], reason, "{format}");
        }
    }
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "a-model",
        "content": [{"type": "text", "text": "One"}], "stop_reason": "stop_sequence", "stop_sequence": "END",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    });
    let (gateway, _provider) = gateway(Format::Anthropic, [Reply::json(&body)]).await;
    let got = gateway.ask(&question(json!({"stop_sequences": ["END"]}))).await.json();
    assert_eq!((&got["stop_reason"], &got["stop_sequence"]), (&json!("stop_sequence"), &json!("END")));
}

#[tokio::test]
async fn reasoning_with_its_signature() {
    let reply = || Reply::text("Four.").thinking("Two and two.", "c2ln");
    let got = exchange(Format::Anthropic, reply(), question(json!({}))).await.answer;
    let thinking = json!({"type": "thinking", "thinking": "Two and two.", "signature": "c2ln"});
    assert_eq!(got["content"], json!([thinking, {"type": "text", "text": "Four."}]));
    // Other providers do not sign it.
    let got = exchange(Format::OpenAi, reply(), question(json!({}))).await.answer;
    let thinking = json!({"type": "thinking", "thinking": "Two and two.", "signature": ""});
    assert_eq!(got["content"], json!([thinking, {"type": "text", "text": "Four."}]));
}

#[tokio::test]
async fn a_refusal_of_openai_is_text() {
    let body = json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "a-model",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": null, "refusal": "No."}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    });
    let (gateway, _provider) = gateway(Format::OpenAi, [Reply::json(&body), Reply::json(&body)]).await;
    let got = gateway.ask(&question(json!({}))).await.json();
    assert_eq!(got["content"], json!([{"type": "text", "text": "No."}]));
    let streamed = gateway.ask(&question(json!({"stream": true}))).await.streamed();
    assert_eq!((&streamed["content"], &streamed["stop_reason"]), (&got["content"], &got["stop_reason"]));
}

#[tokio::test]
async fn citations_of_openai_and_their_way_back() {
    let page = json!({"url": "https://e.org", "title": "E", "start_index": 0, "end_index": 2});
    let message = json!({
        "role": "assistant", "content": "So it is.",
        "annotations": [{"type": "url_citation", "url_citation": page}],
    });
    let body = json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "a-model",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    });
    let (asked, _provider) = gateway(Format::OpenAi, [Reply::json(&body), Reply::json(&body)]).await;
    let got = asked.ask(&question(json!({}))).await.json();
    let citation = &got["content"][0]["citations"][0];
    assert_eq!((&citation["url"], &citation["type"]), (&json!("https://e.org"), &json!("web_search_result_location")));
    assert_eq!(asked.ask(&question(json!({"stream": true}))).await.streamed()["content"], got["content"]);
    // Anthropic cannot verify it.
    let messages = json!([
        {"role": "user", "content": "Is it?"}, {"role": "assistant", "content": got["content"]},
        {"role": "user", "content": "Really?"},
    ]);
    let sent = exchange(Format::Anthropic, Reply::text("Yes."), question(json!({"messages": messages}))).await.sent;
    assert!(!sent.body["messages"][1]["content"].to_string().contains("citations"), "{}", sent.body);
}

/// Only the provider of OpenAI Responses can read its reasoning, so it gets it back as it was, and Anthropic does not.
#[tokio::test]
async fn reasoning_that_a_provider_has_encrypted() {
    let reply = Reply::text("Four.").thinking("Two and two.", "ZW5j");
    let (gateway, openai) = gateway(Format::Responses, [reply.clone(), reply]).await;
    let got = gateway.ask(&question(json!({}))).await.json();
    let streamed = gateway.ask(&question(json!({"stream": true}))).await.streamed();
    assert_eq!(
        (&got["content"][0]["type"], &got["content"][0]["thinking"]),
        (&json!("thinking"), &json!("Two and two."))
    );
    assert!(streamed["content"][0]["signature"].as_str().unwrap().contains("ZW5j"), "{streamed}");
    let messages = json!([
        {"role": "user", "content": "Two and two?"}, {"role": "assistant", "content": got["content"]},
        {"role": "user", "content": "And three?"},
    ]);
    let mut next = question(json!({"messages": messages}));
    assert_eq!(gateway.ask(&next).await.status, 200);
    let sent = openai.requests().pop().unwrap().body;
    let item = sent["input"].as_array().unwrap().iter().find(|item| item["type"] == "reasoning").unwrap();
    assert_eq!((&item["encrypted_content"], &item["summary"][0]["text"]), (&json!("ZW5j"), &json!("Two and two.")));
    let anthropic = replies([]).await;
    let gateway = Gateway::over(&Chain::new().provider("b", Format::Anthropic, &anthropic.url()));
    next["model"] = "b".into();
    assert_eq!(gateway.ask(&next).await.status, 200);
    let sent = anthropic.requests().pop().unwrap().body;
    assert!(!sent.to_string().contains("ZW5j") && sent.to_string().contains("Four."), "{sent}");
}

/// As at Anthropic, the call is there, and why the answer ended tells that it is not whole.
#[tokio::test]
async fn a_call_that_was_cut_is_there_whole_and_streamed() {
    let call =
        json!({"index": 0, "id": "c1", "type": "function", "function": {"name": "send", "arguments": "{\"a\": "}});
    let answer = |name: &str| json!({"id": "c", "model": "m", "choices": [{"index": 0, name: {"tool_calls": [call]}, "finish_reason": "length"}]});
    let events = [format!("data: {}\n\n", answer("delta")), "data: [DONE]\n\n".to_owned()];
    let (gateway, _provider) = gateway(Format::OpenAi, [Reply::json(&answer("message")), sends(events)]).await;
    let block = json!({"type": "tool_use", "id": "c1", "name": "send", "input": {}});
    let whole = gateway.ask(&question(json!({}))).await.json();
    assert_eq!((&whole["content"], &whole["stop_reason"]), (&json!([block]), &json!("max_tokens")));
    let events = gateway.ask(&question(json!({"stream": true}))).await.events();
    let of = |kind: &str| &events.iter().find(|(name, _)| name == kind).unwrap().1;
    assert_eq!(of("content_block_start")["content_block"], block);
    assert_eq!(of("content_block_delta")["delta"]["partial_json"], "{\"a\": ");
    assert_eq!(of("message_delta")["delta"]["stop_reason"], "max_tokens");
}
