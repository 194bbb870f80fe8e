//! Answers that the gateway cannot read: a client of the provider's format gets them as they came.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use crate::{
    scene::replies,
    serve::gateway::{Answer, Gateway},
    support::Chain,
    verbatim::streams::sends,
};

/// An answer in a format, whole and streamed, and the body of the question.
struct Odd {
    format: Format,
    path: &'static str,
    whole: String,
    events: Vec<String>,
}

/// Arguments of a tool call that are no JSON object.
const ARGUMENTS: [&str; 5] = ["[1]", "{\"a\":", "{\"a\":1}{\"b\":2}", "not json", "\"x\""];

fn event(data: &Value) -> String {
    match data["type"].as_str() {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

/// OpenAI Chat Completions with this message, which comes in one chunk.
fn chat(message: &Value, reason: &str) -> Odd {
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    let whole = json!({"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": usage});
    let chunk = |delta: &Value, reason: Value| {
        event(&json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}))
    };
    let mut events = vec![chunk(message, Value::Null), chunk(&json!({}), reason.into())];
    events.extend([event(&json!({"choices": [], "usage": usage})), "data: [DONE]\n\n".to_owned()]);
    Odd { format: Format::OpenAi, path: "/v1/chat/completions", whole: whole.to_string(), events }
}

/// Anthropic Messages with this block, whose delta comes behind it.
fn messages(block: &Value, begins: &Value, delta: &Value, reason: &str) -> Odd {
    let whole = json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [block],
        "stop_reason": reason, "usage": {"input_tokens": 3, "output_tokens": 2}});
    let events = [
        json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [],
            "model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": begins}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ];
    let events = events.iter().map(event).collect();
    Odd { format: Format::Anthropic, path: "/v1/messages", whole: whole.to_string(), events }
}

/// OpenAI Responses with this item.
fn responses(item: &Value) -> Odd {
    let whole = json!({"id": "r", "object": "response", "model": "m", "status": "completed", "output": [item],
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}});
    let events = [
        json!({"type": "response.created", "response": {"id": "r", "model": "m"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": whole}),
    ];
    let events = events.iter().map(event).collect();
    Odd { format: Format::Responses, path: "/v1/responses", whole: whole.to_string(), events }
}

fn odd() -> Vec<Odd> {
    let mut all = Vec::new();
    for arguments in ARGUMENTS {
        let function = json!({"name": "f", "arguments": arguments});
        let call = json!({"index": 0, "id": "t", "type": "function", "function": function});
        all.push(chat(&json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls"));
        let of = |input: Value| json!({"type": "tool_use", "id": "t", "name": "f", "input": input});
        let delta = json!({"type": "input_json_delta", "partial_json": arguments});
        all.push(messages(&of(arguments.into()), &of(json!({})), &delta, "tool_use"));
        let call = json!({"type": "function_call", "id": "i", "call_id": "t", "name": "f", "arguments": arguments});
        all.push(responses(&call));
    }
    let (text, begins) = (json!({"type": "text", "text": "Hi"}), json!({"type": "text", "text": ""}));
    let delta = json!({"type": "text_delta", "text": "Hi"});
    all.push(messages(&text, &begins, &delta, "model_context_window_exceeded"));
    all.push(chat(&json!({"role": "assistant", "content": "Hi"}), "model_context_window_exceeded"));
    // Shapes that no format has.
    all.push(chat(&json!({"role": "assistant", "content": 7}), "stop"));
    all.push(messages(&json!({"type": 7}), &json!({"type": "text", "text": ""}), &json!(7), "end_turn"));
    all.push(responses(&json!({"type": "message", "id": "i", "role": "assistant", "content": 7})));
    all
}

async fn ask(gateway: &Gateway, path: &str, streamed: bool) -> Answer {
    let mut body = json!({"model": "a", "stream": streamed, "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}]});
    match path {
        "/v1/responses" => body = json!({"model": "a", "stream": streamed, "input": "Hi"}),
        "/v1/messages" => {}
        _ => body["stream_options"] = json!({"include_usage": true}),
    }
    let body = if streamed { body } else { without(body, "stream_options") };
    gateway.post(path, &body).await
}

fn without(mut body: Value, field: &str) -> Value {
    body.as_object_mut().unwrap().remove(field);
    body
}

fn both(odd: &Odd) -> [Reply; 2] {
    [Reply::body("application/json", odd.whole.clone()), sends(odd.events.clone())]
}

#[tokio::test]
async fn comes_as_the_provider_sent_it_also_through_modules_that_forward() {
    let all = odd();
    for modules in [&[][..], &["retry"], &["retry", "fallback"]] {
        for format in [Format::OpenAi, Format::Anthropic, Format::Responses] {
            let of: Vec<_> = all.iter().filter(|odd| odd.format == format).collect();
            let provider = replies(of.iter().flat_map(|odd| both(odd))).await;
            let down = replies(std::iter::repeat_with(|| Reply::status(404)).take(100)).await;
            let chain = Chain::new().provider("a", format, &provider.url()).provider("b", format, &down.url());
            let chain = modules.iter().fold(chain, |chain, module| {
                chain.module(module, if *module == "fallback" { "chain = [\"b\"]" } else { "" })
            });
            let gateway = Gateway::start(&chain).await;
            for odd in &of {
                let whole = ask(&gateway, odd.path, false).await;
                assert_eq!((whole.status, &whole.body), (200, &odd.whole), "{modules:?}");
                assert_eq!(whole.header("x-arcllm-provider"), "a");
                let streamed = ask(&gateway, odd.path, true).await;
                assert_eq!((streamed.status, streamed.body), (200, odd.events.concat()), "{modules:?} {}", odd.whole);
            }
            let log = gateway.stop().await.stdout;
            let lines: Vec<_> = log.lines().filter(|line| line.contains(" POST ")).collect();
            assert_eq!(lines.len(), 2 * of.len());
            for line in lines {
                assert!(line.contains(" 200 ") && line.contains("tokens=3+2"), "{line}");
            }
        }
    }
}

/// A module that asks again is told the error, and can do better.
#[tokio::test]
async fn is_an_error_to_a_module_that_asks_another_model() {
    for odd in odd() {
        let [whole, _] = both(&odd);
        let (a, b) = (replies([whole]).await, replies([Reply::text("Better")]).await);
        let chain = Chain::new().provider("a", odd.format, &a.url()).provider("b", odd.format, &b.url());
        let gateway = Gateway::start(&chain.module("fallback", "chain = [\"b\"]")).await;
        let answer = ask(&gateway, odd.path, false).await;
        assert!(answer.status == 200 && answer.body.contains("Better"), "{answer:?}");
        assert_eq!(answer.header("x-arcllm-attempts"), "2");
    }
}

#[tokio::test]
async fn is_an_error_where_a_module_reads_it_or_the_client_speaks_another_format() {
    for odd in odd() {
        let provider = replies([0; 2].into_iter().flat_map(|_| both(&odd))).await;
        let chain = Chain::new().provider("a", odd.format, &provider.url());
        let reads = Gateway::start(&chain.clone().module("redact", "")).await;
        let other = Gateway::start(&chain).await;
        let path = if odd.path == "/v1/messages" { "/v1/chat/completions" } else { "/v1/messages" };
        for (gateway, path) in [(&reads, odd.path), (&other, path)] {
            let whole = ask(gateway, path, false).await;
            assert!(whole.status >= 400, "{whole:?}");
            let streamed = ask(gateway, path, true).await;
            // Readers of events pass over what they need not read.
            let is_shape = odd.events.concat().contains('7');
            assert!(is_shape || streamed.status >= 400 || streamed.body.contains("\"error\""), "{streamed:?}");
        }
    }
}

/// What is no answer at all stays an error, and so does an error that came with a status of success.
#[tokio::test]
async fn what_is_no_answer_stays_an_error() {
    let provider = replies(
        ["<html>", "{}", "{\"choices\": null}", "{\"error\": {\"message\": \"no\"}}", "[]", "7"]
            .map(|body| Reply::body("application/json", body)),
    )
    .await;
    let gateway = Gateway::start(&Chain::new().provider("a", Format::OpenAi, &provider.url())).await;
    for _ in 0..6 {
        let answer = ask(&gateway, "/v1/chat/completions", false).await;
        assert!(answer.status >= 500, "{answer:?}");
    }
}
