//! Good answers, in both formats.

use arcllm_simulator::{Reply, Script, Simulator, Then, Usage};
use serde_json::{Value, json};

use crate::client::{COMPLETIONS, MESSAGES, ask};

async fn answer(reply: Reply, path: &str) -> Value {
    let simulator = Simulator::start(Script::new([reply])).await.unwrap();
    let response = ask(&simulator, path).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    response.json()
}

fn rich() -> Reply {
    Reply::text("It rains")
        .thinking("Look outside", "c2lnbmVk")
        .tool_call("call_7", "weather", json!({"city": "Oslo"}))
        .usage(Usage {
            input_tokens: 11,
            output_tokens: 7,
            cache_read_tokens: 3,
            cache_write_tokens: 2,
            cache_write_hour_tokens: 1,
            reasoning_tokens: 4,
        })
}

#[tokio::test]
async fn a_plain_answer_of_anthropic() {
    assert_eq!(
        answer(Reply::text("Hello"), MESSAGES).await,
        json!({
            "id": "msg_sim000001",
            "type": "message",
            "role": "assistant",
            "model": "some-model",
            "content": [{"type": "text", "text": "Hello"}],
            "stop_reason": "end_turn",
            "stop_sequence": null,
            "usage": {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_input_tokens": 0,
                "cache_creation_input_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "service_tier": "standard",
            },
        })
    );
}

#[tokio::test]
async fn a_plain_answer_of_openai() {
    assert_eq!(
        answer(Reply::text("Hello"), COMPLETIONS).await,
        json!({
            "id": "chatcmpl-sim000001",
            "object": "chat.completion",
            "created": 1_750_000_001,
            "model": "some-model",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": null, "annotations": []},
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": 0,
                    "audio_tokens": 0,
                    "accepted_prediction_tokens": 0,
                    "rejected_prediction_tokens": 0,
                },
            },
            "service_tier": "default",
            "system_fingerprint": "fp_simulator",
        })
    );
}

#[tokio::test]
async fn all_parts_of_an_anthropic_answer() {
    let answer = answer(rich(), MESSAGES).await;
    assert_eq!(
        answer["content"],
        json!([
            {"type": "thinking", "thinking": "Look outside", "signature": "c2lnbmVk"},
            {"type": "text", "text": "It rains"},
            {"type": "tool_use", "id": "call_7", "name": "weather", "input": {"city": "Oslo"}},
        ])
    );
    assert_eq!(answer["stop_reason"], "tool_use");
    assert_eq!(answer["usage"]["input_tokens"], 11);
    assert_eq!(answer["usage"]["cache_read_input_tokens"], 3);
    assert_eq!(answer["usage"]["cache_creation_input_tokens"], 2);
    let kept = json!({"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 1});
    assert_eq!(answer["usage"]["cache_creation"], kept);
    assert_eq!(answer["usage"]["output_tokens_details"], json!({"thinking_tokens": 4}));
}

#[tokio::test]
async fn all_parts_of_an_openai_answer() {
    let answer = answer(rich(), COMPLETIONS).await;
    let choice = &answer["choices"][0];
    assert_eq!(choice["message"]["content"], "It rains");
    assert_eq!(choice["message"]["reasoning_content"], "Look outside");
    assert_eq!(
        choice["message"]["tool_calls"],
        json!([{
            "id": "call_7",
            "type": "function",
            "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"},
        }])
    );
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(answer["usage"]["total_tokens"], 18);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 3);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cache_write_tokens"], 2);
    assert_eq!(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 4);
}

#[tokio::test]
async fn tools_alone_need_no_text() {
    let reply = Reply::default().tool_call("call_1", "weather", json!("{not json"));
    let openai = answer(reply.clone(), COMPLETIONS).await;
    let message = &openai["choices"][0]["message"];
    assert_eq!(message["content"], Value::Null);
    assert_eq!(message["tool_calls"][0]["function"]["arguments"], "{not json");
    let anthropic = answer(reply, MESSAGES).await;
    assert_eq!(anthropic["content"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn stop_reasons_become_openai_words() {
    for (reason, finish) in [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("stop_sequence", "stop"),
        ("refusal", "content_filter"),
        ("something_new", "something_new"),
    ] {
        let reply = Reply::text("x").stop_reason(reason);
        assert_eq!(answer(reply.clone(), COMPLETIONS).await["choices"][0]["finish_reason"], finish);
        assert_eq!(answer(reply, MESSAGES).await["stop_reason"], reason);
    }
}

#[tokio::test]
async fn the_model_and_the_headers_can_be_told() {
    let reply =
        Reply::text("x").model("other-model").header("x-note", "a").header("x-note", "b").without_header("date");
    let simulator = Simulator::start(Script::new([reply, Reply::text("y")])).await.unwrap();
    let first = ask(&simulator, MESSAGES).await;
    assert_eq!(first.json()["model"], "other-model");
    assert_eq!(first.header("request-id"), Some("req_sim000001"));
    assert_eq!(first.header("date"), None);
    assert_eq!(first.headers.iter().filter(|(name, _)| name == "x-note").count(), 2);
    let second = ask(&simulator, COMPLETIONS).await;
    assert_eq!(second.header("x-request-id"), Some("req_sim000002"));
    assert!(second.header("date").is_some_and(|date| date.ends_with(" GMT")));
}

#[tokio::test]
async fn an_empty_script_gives_good_answers() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    for _ in 0..3 {
        let text = ask(&simulator, MESSAGES).await.json()["content"][0]["text"].clone();
        assert_eq!(text, "Hello from the simulator.");
    }
}

#[tokio::test]
async fn a_reply_can_serve_several_requests_and_then_repeat() {
    let script = Script::new([Reply::status(529).times(2), Reply::status(503)]).then(Then::Repeat);
    let simulator = Simulator::start(script).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(ask(&simulator, MESSAGES).await.status);
    }
    assert_eq!(statuses, [529, 529, 503, 503, 503]);
    simulator.push(Reply::text("back")).unwrap();
    assert_eq!(ask(&simulator, MESSAGES).await.status, 200);
}

#[tokio::test]
async fn a_script_can_begin_again() {
    let script = Script::new([Reply::status(529).times(2), Reply::text("good")]).then(Then::Again);
    let simulator = Simulator::start(script).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(ask(&simulator, MESSAGES).await.status);
    }
    assert_eq!(statuses, [529, 529, 200, 529, 529, 200, 529]);
    let simulator = Simulator::start(Script::default().then(Then::Again)).await.unwrap();
    assert_eq!(ask(&simulator, MESSAGES).await.status, 200);
}

#[tokio::test]
async fn a_script_can_refuse_what_it_does_not_know() {
    let script = Script::new([Reply::text("only one")]).then(Then::RefuseRequest);
    let simulator = Simulator::start(script).await.unwrap();
    assert_eq!(ask(&simulator, MESSAGES).await.status, 200);
    let refused = ask(&simulator, MESSAGES).await;
    assert_eq!(refused.status, 500);
    assert_eq!(refused.json()["error"]["message"], "the simulator's script has ended");
}
