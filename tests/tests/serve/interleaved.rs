//! Streams of Chat Completions in which pieces of texts and calls alternate: each comes once, and calls come in their order.

use arcllm_simulator::Format;
use serde_json::{Value, json};

use crate::{scene::replies, serve::gateway::Gateway, support::Chain, verbatim::streams::sends};

fn chunk(delta: &Value, reason: &Value) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
    format!("data: {}\n\n", json!({"id": "c", "model": "m", "choices": [choice]}))
}

fn begun(index: usize, arguments: &str) -> Value {
    let function = json!({"name": format!("f{index}"), "arguments": arguments});
    json!({"tool_calls": [{"index": index, "id": format!("call_{index}"), "type": "function", "function": function}]})
}

fn more(index: usize, arguments: &str) -> Value {
    json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
}

/// The data of the events that a client of this route gets for these deltas.
async fn told(path: &str, module: &str, deltas: &[Value]) -> Vec<Value> {
    let chunks = deltas.iter().map(|delta| chunk(delta, &Value::Null));
    let end = chunk(&json!({}), &"tool_calls".into()) + "data: [DONE]\n\n";
    let provider = replies([sends(chunks.chain([end]).collect::<Vec<_>>())]).await;
    let chain = Chain::new().provider("a", Format::OpenAi, &provider.url());
    let chain = if module.is_empty() { chain } else { chain.module(module, "") };
    let gateway = Gateway::start(&chain).await;
    let ask = json!([{"role": "user", "content": "Hi"}]);
    let body = json!({"model": "a", "stream": true, "max_tokens": 9, "input": ask, "messages": ask});
    let answer = gateway.post(path, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.events().iter().filter_map(|(_, data)| serde_json::from_str(data).ok()).collect()
}

const ROUTES: [&str; 3] = ["/v1/chat/completions", "/v1/messages", "/v1/responses"];

#[tokio::test]
async fn a_call_without_arguments_keeps_its_place() {
    let deltas = [begun(0, "{\"a\":1}"), begun(1, ""), begun(2, "{"), more(2, "\"b\":2}")];
    for module in ["", "redact"] {
        for path in ROUTES {
            let told = told(path, module, &deltas).await;
            let name = |data: &Value| {
                let places = ["/choices/0/delta/tool_calls/0/function/name", "/content_block/name", "/item/name"];
                let begins =
                    data["type"].as_str().is_none_or(|kind| kind.ends_with(".added") || kind.ends_with("_start"));
                places.iter().filter(|_| begins).find_map(|place| Some(data.pointer(place)?.as_str()?.to_owned()))
            };
            let names: Vec<_> = told.iter().filter_map(name).collect();
            assert_eq!(names, ["f0", "f1", "f2"], "{path}, {module}: {told:#?}");
        }
    }
}

#[tokio::test]
async fn a_text_within_a_call_comes_once() {
    let text = |piece: &str| json!({"content": piece});
    for deltas in [
        vec![begun(0, "{\"a\""), text("hi"), more(0, ":1}")],
        vec![text("h"), begun(0, "{\"a\""), text("i"), more(0, ":1}")],
        vec![begun(0, "{\"a\""), text("h"), more(0, ":1}"), begun(1, "{}"), text("i")],
    ] {
        for module in ["", "redact"] {
            for path in ROUTES {
                let told = told(path, module, &deltas).await;
                let piece = |data: &Value| {
                    let is_text = data["type"]
                        .as_str()
                        .is_none_or(|kind| kind.contains("text.delta") || kind == "content_block_delta");
                    let places = ["/choices/0/delta/content", "/delta/text", "/delta"];
                    places.iter().filter(|_| is_text).find_map(|place| Some(data.pointer(place)?.as_str()?.to_owned()))
                };
                let joined: String = told.iter().filter_map(piece).collect();
                assert_eq!(joined, "hi", "{path}, {module}: {told:#?}");
                if let Some(output) = told.last().and_then(|data| data.pointer("/response/output")?.as_array()) {
                    let parts = output.iter().filter_map(|item| item["content"].as_array()).flatten();
                    let texts = parts.filter_map(|part| part["text"].as_str());
                    assert_eq!(texts.collect::<String>(), "hi", "{output:#?}");
                }
            }
        }
    }
}
