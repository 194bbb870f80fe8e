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

/// SDKs take the index of a call for a place in a list.
#[tokio::test]
async fn no_index_of_a_call_comes_before_a_smaller_one() {
    let deltas = [begun(0, "{\"a\":1}"), begun(1, ""), begun(2, "{"), more(2, "\"b\":2}")];
    for module in ["", "redact"] {
        for path in ROUTES {
            let told = told(path, module, &deltas).await;
            let begun = |data: &Value| {
                let call = data.pointer("/choices/0/delta/tool_calls/0");
                let [item, block] = [&data["item"]["name"], &data["content_block"]["name"]];
                let begins =
                    data["type"].as_str().is_none_or(|kind| kind.ends_with(".added") || kind.ends_with("_start"));
                let name = call.map_or(if item.is_string() { item } else { block }, |call| &call["function"]["name"]);
                let index = call.map_or(&Value::Null, |call| &call["index"]).as_u64();
                name.as_str().filter(|_| begins).map(|name| (name.to_owned(), index))
            };
            let begun: Vec<_> = told.iter().filter_map(begun).collect();
            let (mut names, indexes): (Vec<_>, Vec<_>) = begun.into_iter().unzip();
            names.sort();
            assert_eq!(names, ["f0", "f1", "f2"], "{path}, {module}: {told:#?}");
            let indexes: Vec<u64> = indexes.into_iter().flatten().collect();
            assert!(indexes.is_empty() || indexes == [0, 1, 2], "{path}, {module}: {told:#?}");
        }
    }
}

#[tokio::test]
async fn a_text_or_a_thought_between_others_comes_once() {
    let text = |piece: &str| json!({"content": piece});
    let thought = |piece: &str| json!({"reasoning_content": piece});
    for deltas in [
        vec![begun(0, "{\"a\""), text("hi"), more(0, ":1}")],
        vec![text("h"), begun(0, "{\"a\""), text("i"), more(0, ":1}")],
        vec![begun(0, "{\"a\""), text("h"), more(0, ":1}"), begun(1, "{}"), text("i")],
        vec![thought("T"), text("h"), thought("U"), text("i")],
        vec![text("hi"), thought("T"), begun(0, "{\"a\""), thought("U"), more(0, ":1}")],
    ] {
        for module in ["", "redact"] {
            for path in ROUTES {
                let told = told(path, module, &deltas).await;
                let piece = |data: &Value| {
                    let is_text = data["type"]
                        .as_str()
                        .is_none_or(|kind| ["response.output_text.delta", "content_block_delta"].contains(&kind));
                    let places = ["/choices/0/delta/content", "/delta/text", "/delta"];
                    places.iter().filter(|_| is_text).find_map(|place| Some(data.pointer(place)?.as_str()?.to_owned()))
                };
                let joined: String = told.iter().filter_map(piece).collect();
                assert_eq!(joined, "hi", "{path}, {module}: {told:#?}");
                if let Some(output) = told.last().and_then(|data| data.pointer("/response/output")?.as_array()) {
                    let parts = output.iter().filter_map(|item| item["content"].as_array()).flatten();
                    let texts = parts.filter_map(|part| part["text"].as_str());
                    assert_eq!(texts.collect::<String>(), "hi", "{output:#?}");
                    let parts = output.iter().filter_map(|item| item["summary"].as_array()).flatten();
                    let thoughts: String = parts.filter_map(|part| part["text"].as_str()).collect();
                    let given: String = deltas.iter().filter_map(|delta| delta["reasoning_content"].as_str()).collect();
                    assert_eq!(thoughts, given, "{output:#?}");
                }
            }
        }
    }
}
