//! Fields of an answer that ArcLLM does not know: the provider that sent them gets them back, and no other one does.

use std::time::Duration;

use arcllm::{Conversation, Model, Overrides, Request, Response, ToolResult};
use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::{
    stage::{add, host},
    valid,
};
use crate::{
    scene::{replies, soon},
    support::Chain,
};

const FORMATS: [(&str, Format); 2] = [("openai", Format::OpenAi), ("anthropic", Format::Anthropic)];

/// A text and a call. Fields at every level have the value `secret`.
fn asks_for_tools(format: Format, streamed: bool) -> Reply {
    let events = match (format, streamed) {
        (Format::Anthropic, false) => {
            return Reply::json(&json!({
                "type": "message", "role": "assistant", "model": "m", "container": {"id": "top"}, "content": [
                    {"type": "text", "text": "Let me look.", "x_block": "secret"},
                    {"type": "tool_use", "id": "t", "name": "weather", "input": {}, "x_call": "secret"},
                ], "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1},
            }));
        }
        (Format::Anthropic, true) => vec![
            json!({"type": "message_start", "message": {"role": "assistant", "model": "m", "container": {"id": "top"}, "content": []}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "", "x_block": "secret"}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Let me look."}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "content_block_start", "index": 1,
                   "content_block": {"type": "tool_use", "id": "t", "name": "weather", "input": {}, "x_call": "secret"}}),
            json!({"type": "content_block_stop", "index": 1}),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}}),
            json!({"type": "message_stop"}),
        ],
        (_, false) => {
            let function = json!({"name": "weather", "arguments": "{}", "x_function": "secret"});
            let call = json!({"id": "t", "type": "function", "function": function, "x_call": "secret"});
            let message = json!({"role": "assistant", "content": "Let me look.", "tool_calls": [call], "annotations": ["secret"]});
            return Reply::json(&json!({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}));
        }
        (_, true) => vec![
            delta(json!({"role": "assistant", "content": "Let me look."})),
            delta(json!({"tool_calls": [{"index": 0, "id": "t", "type": "function", "x_call": "secret",
                                         "function": {"name": "weather", "x_function": "secret"}}]})),
            delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}], "annotations": ["secret"]})),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
        ],
    };
    let named = |event: &Value| match event["type"].as_str() {
        Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
        None => format!("data: {event}\n\n"),
    };
    let end = if format == Format::OpenAi { "data: [DONE]\n\n" } else { "" };
    let pieces = events.iter().map(named).chain([end.to_owned()]);
    Reply::event_stream(pieces.map(|piece| (Duration::ZERO, piece)))
}

fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

async fn ask(model: &Model, conversation: &Conversation, streamed: bool) -> Response {
    let request = Request::new(conversation.messages().unwrap());
    match streamed {
        true => soon(model.stream_with(request).collect()).await.unwrap(),
        false => soon(model.invoke_with(request)).await.unwrap(),
    }
}

/// The answer of the first provider, as that provider and then the second one are sent it.
async fn sent_to_both(first: (&str, Format), second: (&str, Format), streamed: bool) -> [Value; 2] {
    let a = replies([asks_for_tools(first.1, streamed), Reply::status(503)]).await;
    let b = replies([]).await;
    let name = if first.0 == second.0 { "other" } else { second.0 };
    let chain = add(add(Chain::new(), first.0, first.1, &a, ""), name, second.1, &b, "");
    let chain = chain.module("fallback", &format!("chain = [{:?}, {name:?}]", first.0));
    let model = soon(host(&chain).load_model(first.0, Overrides::new())).await.unwrap();
    let mut conversation = Conversation::new();
    conversation.user("How is the weather?");
    let answer = ask(&model, &conversation, streamed).await;
    conversation.push(&answer);
    conversation.tool_result(ToolResult::text("t", "Rain")).unwrap();
    assert_eq!(ask(&model, &conversation, streamed).await.provider, name);
    valid::check(second.0, second.1, &b.requests()[0].body);
    [&a.requests()[1].body["messages"][1], &b.requests()[0].body["messages"][1]].map(Value::clone)
}

#[tokio::test]
async fn only_their_provider_gets_them_back() {
    for first in FORMATS {
        for second in FORMATS {
            for streamed in [false, true] {
                let [own, other] = sent_to_both(first, second, streamed).await;
                let expected: Vec<Value> = match first.1 {
                    Format::Anthropic => {
                        vec![own["content"][0]["x_block"].clone(), own["content"][1]["x_call"].clone()]
                    }
                    _ => {
                        let call = &own["tool_calls"][0];
                        let fields = [&call["x_call"], &call["function"]["x_function"], &own["annotations"][0]];
                        fields.map(Value::clone).to_vec()
                    }
                };
                assert!(expected.iter().all(|value| value == "secret"), "{own}");
                assert!(own.get("container").is_none(), "{own}");
                assert!(other.to_string().contains("Let me look."), "{other}");
                assert!(
                    !["secret", "x_", "annotations", "arcllm"].iter().any(|part| other.to_string().contains(part)),
                    "{other}"
                );
            }
        }
    }
}
