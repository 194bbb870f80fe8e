//! What a client gets of an answer, whole and streamed.

use arcllm_simulator::{Format, Reply, Usage};
use serde_json::{Value, json};

use super::stage::{UPSTREAMS, answered, gateway, question};

/// What a client gets of this reply, with these fields in its question.
async fn choice(format: Format, reply: Reply, fields: Value) -> Value {
    answered(format, reply, &question(fields)).await.0
}

fn called(id: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}})
}

#[tokio::test]
async fn text_reasoning_and_calls() {
    for format in UPSTREAMS {
        let reply = Reply::text("One \"two\"\n\u{1f600} three.").thinking("Hm.", "s");
        let reply = reply.tool_call("c1", "look", json!({"city": "Paris"})).tool_call("c2", "look", json!({}));
        let got = choice(format, reply, json!({})).await;
        let message = &got["message"];
        assert_eq!(message["role"], "assistant", "{format}");
        assert_eq!(message["content"], "One \"two\"\n\u{1f600} three.", "{format}");
        assert_eq!(message["reasoning_content"], "Hm.", "{format}");
        assert_eq!(message["tool_calls"], json!([called("c1", r#"{"city":"Paris"}"#), called("c2", "{}")]), "{format}");
        assert_eq!(got["finish_reason"], "tool_calls", "{format}");
    }
}

#[tokio::test]
async fn reasons_to_stop() {
    for format in UPSTREAMS {
        for (reason, expected) in
            [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "content_filter")]
        {
            let got = choice(format, Reply::text("Hi").stop_reason(reason), json!({})).await;
            // OpenAI's models say no in a text of its own.
            let is_said = (format, reason) == (Format::Responses, "refusal");
            let expected = if is_said { "stop" } else { expected };
            assert_eq!(got["message"].get("refusal").is_some(), is_said, "{format}, {reason}: {got}");
            assert_eq!(got["finish_reason"], expected, "{format}, {reason}");
        }
    }
    // Clients check the word, so an unknown one stands beside it.
    let (gateway, _provider) = gateway(Format::Anthropic, [Reply::text("Hi").stop_reason("something_new")]).await;
    let got = gateway.ask(&question(json!({}))).await.json();
    let reasons = ["finish_reason", "native_finish_reason"].map(|name| &got["choices"][0][name]);
    assert_eq!(reasons, [&json!("stop"), &json!("something_new")]);
}

#[tokio::test]
async fn counts_of_tokens() {
    let usage =
        Usage { input_tokens: 10, output_tokens: 7, cache_read_tokens: 3, reasoning_tokens: 2, ..Usage::default() };
    // Anthropic's format counts cached tokens apart.
    for (format, prompt) in [(Format::OpenAi, 10), (Format::Responses, 10), (Format::Anthropic, 13)] {
        let (_, got) = answered(format, Reply::text("Hi").usage(usage), &question(json!({}))).await;
        let counts = ["prompt_tokens", "completion_tokens", "total_tokens"].map(|name| got[name].as_u64());
        assert_eq!(counts, [Some(prompt), Some(7), Some(prompt + 7)], "{format}: {got}");
        assert_eq!(got["prompt_tokens_details"]["cached_tokens"], 3, "{format}: {got}");
        assert_eq!(got["completion_tokens_details"]["reasoning_tokens"], 2, "{format}: {got}");
    }
}

#[tokio::test]
async fn counts_are_streamed_only_if_asked() {
    for format in UPSTREAMS {
        let (gateway, _provider) = gateway(format, []).await;
        for options in [json!(null), json!({}), json!({"include_usage": false})] {
            let answer = gateway.ask(&question(json!({"stream": true, "stream_options": options}))).await;
            assert_eq!(answer.streamed().1, Value::Null, "{format}, {options}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn signed_reasoning_goes_back_to_its_provider() {
    let body = question(json!({}));
    let (choice, _) = answered(Format::Anthropic, Reply::text("Yes.").thinking("Hm.", "s"), &body).await;
    let details = &choice["message"]["reasoning_details"];
    let detail = json!({"type": "reasoning.text", "index": 0, "text": "Hm.", "signature": "s", "arcllm.provider": "a"});
    assert_eq!(*details, json!([detail]));
    let (gateway, provider) = gateway(Format::Anthropic, []).await;
    let user = json!({"role": "user", "content": "Hi"});
    let answer = gateway.ask(&question(json!({"messages": [user, choice["message"], user]}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let sent = &provider.requests()[0].body["messages"][1]["content"];
    let thinking = json!({"type": "thinking", "thinking": "Hm.", "signature": "s"});
    assert_eq!(*sent, json!([thinking, {"type": "text", "text": "Yes."}]));
}

#[tokio::test]
async fn signed_reasoning_does_not_go_to_another_provider() {
    let (gateway, provider) = gateway(Format::OpenAi, []).await;
    let user = json!({"role": "user", "content": "Hi"});
    let detail = json!({"type": "reasoning.text", "index": 0, "text": "Hm.", "signature": "s", "arcllm.provider": "b"});
    let signed = json!({
        "role": "assistant", "content": "Yes.", "reasoning_content": "Hm.", "reasoning_details": [detail], "x_own": 1,
        "arcllm.provider": "b",
    });
    let answer = gateway.ask(&question(json!({"messages": [user, signed, user]}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let sent = &provider.requests()[0].body["messages"];
    assert_eq!(*sent, json!([user, {"role": "assistant", "content": "Yes."}, user]));
}

#[tokio::test]
async fn citations_of_pages_are_annotations() {
    let cited = json!([{"type": "web_search_result_location", "url": "https://example.com", "title": "Example"}]);
    let reply = json!({
        "id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "I say: "}, {"type": "text", "text": "yes.", "citations": cited}],
        "usage": {"input_tokens": 1, "output_tokens": 2},
    });
    let (gateway, _provider) = gateway(Format::Anthropic, [Reply::json(&reply)]).await;
    let message = gateway.ask(&question(json!({}))).await.json()["choices"][0]["message"].take();
    assert_eq!(message["content"], "I say: yes.");
    let citation = json!({"start_index": 7, "end_index": 11, "url": "https://example.com", "title": "Example"});
    assert_eq!(message["annotations"], json!([{"type": "url_citation", "url_citation": citation}]));
}

#[tokio::test]
async fn annotations_of_responses_are_those_of_this_format() {
    let cited =
        json!({"type": "url_citation", "url": "https://example.com", "title": "E", "start_index": 0, "end_index": 3});
    let part =
        |text: &str, annotations: Value| json!({"type": "output_text", "text": text, "annotations": annotations});
    let parts = json!([part("I say: ", json!([])), part("yes.", json!([cited]))]);
    let item = json!({"type": "message", "id": "m", "status": "completed", "role": "assistant", "content": parts});
    let reply = json!({
        "id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [item],
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    });
    let (gateway, _provider) = gateway(Format::Responses, [Reply::json(&reply)]).await;
    let message = gateway.ask(&question(json!({}))).await.json()["choices"][0]["message"].take();
    let citation = json!({"start_index": 7, "end_index": 10, "url": "https://example.com", "title": "E"});
    assert_eq!(message["annotations"], json!([{"type": "url_citation", "url_citation": citation}]), "{message}");
}

#[tokio::test]
async fn fields_that_nobody_knows_come_back() {
    let choice = json!({
        "index": 0, "finish_reason": "stop", "x_choice": 1, "message": {"role": "assistant", "content": "Hi", "x_message": {"a": 1}},
    });
    let reply =
        json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "x_body": 2, "choices": [choice]});
    let (gateway, _provider) = gateway(Format::OpenAi, [Reply::json(&reply)]).await;
    assert_eq!(gateway.ask(&question(json!({}))).await.json(), reply);
}

#[tokio::test]
async fn calls_in_the_older_form() {
    let functions = json!({"functions": [{"name": "look"}]});
    let reply = Reply::default().tool_call("c1", "look", json!({"city": "Paris"}));
    let got = choice(Format::Anthropic, reply, functions).await;
    let call = json!({"name": "look", "arguments": r#"{"city":"Paris"}"#});
    assert_eq!(got["message"], json!({"role": "assistant", "function_call": call}));
    assert_eq!(got["finish_reason"], "function_call");
}
