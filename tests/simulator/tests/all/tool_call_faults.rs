//! Tool calls in the odd pieces in which real servers stream them.

use arcllm_simulator::{Fault, Reply, Script, Simulator};
use serde_json::{Value, json};

use crate::client::{COMPLETIONS, MESSAGES, ask};
use crate::sse::data;

/// Two calls; the arguments of each have two pieces.
fn calls(fault: Fault) -> Reply {
    let reply = Reply::default().tool_call("a", "get_weather", json!({"x": 1})).tool_call("b", "g", json!({"y": 2}));
    reply.pieces(2).with_fault(fault)
}

fn without_fault(path: &'static str) -> impl Future<Output = Vec<Value>> {
    let reply = Reply::default().tool_call("a", "get_weather", json!({"x": 1})).tool_call("b", "g", json!({"y": 2}));
    events(reply.pieces(2), path)
}

/// The events that are JSON.
async fn events(reply: Reply, path: &str) -> Vec<Value> {
    data(reply, path).await.iter().filter_map(|data| serde_json::from_str(data).ok()).collect()
}

/// The tool calls of the deltas of a stream of OpenAI's format.
async fn deltas(fault: Fault) -> Vec<Value> {
    let chunks = events(calls(fault), COMPLETIONS).await;
    let finish = chunks.iter().find_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
    assert_eq!(finish, Some("tool_calls"));
    chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta/tool_calls/0").cloned()).collect()
}

fn begin(index: u64, id: &str, name: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}, "index": index})
}

fn piece(index: u64, arguments: &str) -> Value {
    json!({"index": index, "function": {"arguments": arguments}})
}

/// A fault that only OpenAI's format has changes nothing in Anthropic's, nor in an answer that is not streamed.
async fn is_only_in_openai_streams(fault: Fault) {
    assert_eq!(events(calls(fault), MESSAGES).await, without_fault(MESSAGES).await);
    let simulator = Simulator::start(Script::new([calls(fault)])).await.unwrap();
    let message = ask(&simulator, COMPLETIONS).await.json()["choices"][0]["message"].clone();
    let arguments: Vec<_> = message["tool_calls"].as_array().unwrap().iter().map(|call| &call["function"]).collect();
    let expected =
        [json!({"name": "get_weather", "arguments": "{\"x\":1}"}), json!({"name": "g", "arguments": "{\"y\":2}"})];
    assert_eq!(arguments, expected.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn interleaved_tool_calls() {
    assert_eq!(
        deltas(Fault::InterleavedToolCalls).await,
        [
            begin(0, "a", "get_weather"),
            begin(1, "b", "g"),
            piece(0, "{\"x\""),
            piece(1, "{\"y\""),
            piece(0, ":1}"),
            piece(1, ":2}"),
        ]
    );
    let usual = without_fault(MESSAGES).await;
    let mixed = events(calls(Fault::InterleavedToolCalls), MESSAGES).await;
    let shape = |event: &Value| (event["type"].as_str().unwrap().to_owned(), event["index"].as_u64());
    let calls: Vec<_> = mixed.iter().map(shape).filter(|(_, index)| index.is_some()).collect();
    let kinds = ["start", "delta", "delta", "delta", "stop"];
    let expected = kinds.iter().flat_map(|kind| [0, 1].map(|index| (format!("content_block_{kind}"), Some(index))));
    assert_eq!(calls, expected.collect::<Vec<_>>());
    // The same events in another order, and in the same order for each block.
    for index in [None, Some(0), Some(1)] {
        let of = |events: &[Value]| {
            events.iter().filter(|event| event["index"].as_u64() == index).cloned().collect::<Vec<_>>()
        };
        assert_eq!(of(&mixed), of(&usual));
    }
}

#[tokio::test]
async fn interleaved_tool_calls_come_after_the_text() {
    let events = events(calls(Fault::InterleavedToolCalls).with_text("Look"), MESSAGES).await;
    let places: Vec<_> = events.iter().filter_map(|event| event["index"].as_u64()).collect();
    assert_eq!(places, [0, 0, 0, 0, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
}

#[tokio::test]
async fn tool_name_in_pieces() {
    let name = |name: &str| json!({"id": "a", "type": "function", "function": {"name": name}, "index": 0});
    assert_eq!(
        deltas(Fault::ToolNameInPieces).await,
        [
            name("get_we"),
            json!({"index": 0, "function": {"name": "ather", "arguments": ""}}),
            piece(0, "{\"x\""),
            piece(0, ":1}"),
            // One letter cannot be cut.
            begin(1, "b", "g"),
            piece(1, "{\"y\""),
            piece(1, ":2}"),
        ]
    );
    is_only_in_openai_streams(Fault::ToolNameInPieces).await;
}

#[tokio::test]
async fn tool_name_repeated() {
    let call = |index: u64, id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, "index": index});
    assert_eq!(
        deltas(Fault::ToolNameRepeated).await,
        [
            call(0, "a", "get_weather", ""),
            call(0, "a", "get_weather", "{\"x\""),
            call(0, "a", "get_weather", ":1}"),
            call(1, "b", "g", ""),
            call(1, "b", "g", "{\"y\""),
            call(1, "b", "g", ":2}"),
        ]
    );
    is_only_in_openai_streams(Fault::ToolNameRepeated).await;
}

#[tokio::test]
async fn tool_name_empty() {
    let piece = |index: u64, arguments: &str| json!({"index": index, "id": "", "function": {"name": "", "arguments": arguments}});
    assert_eq!(
        deltas(Fault::ToolNameEmpty).await,
        [
            begin(0, "a", "get_weather"),
            piece(0, "{\"x\""),
            piece(0, ":1}"),
            begin(1, "b", "g"),
            piece(1, "{\"y\""),
            piece(1, ":2}"),
        ]
    );
    is_only_in_openai_streams(Fault::ToolNameEmpty).await;
}

#[tokio::test]
async fn tool_calls_without_index() {
    let begin =
        |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}});
    let piece = |arguments: &str| json!({"function": {"arguments": arguments}});
    assert_eq!(
        deltas(Fault::ToolCallsWithoutIndex).await,
        [begin("a", "get_weather"), piece("{\"x\""), piece(":1}"), begin("b", "g"), piece("{\"y\""), piece(":2}")]
    );
    is_only_in_openai_streams(Fault::ToolCallsWithoutIndex).await;
}

#[tokio::test]
async fn tool_calls_at_one_index() {
    assert_eq!(
        deltas(Fault::ToolCallsAtOneIndex).await,
        [
            begin(0, "a", "get_weather"),
            piece(0, "{\"x\""),
            piece(0, ":1}"),
            begin(0, "b", "g"),
            piece(0, "{\"y\""),
            piece(0, ":2}"),
        ]
    );
    is_only_in_openai_streams(Fault::ToolCallsAtOneIndex).await;
}

#[tokio::test]
async fn function_call() {
    let chunks = events(calls(Fault::FunctionCall), COMPLETIONS).await;
    let deltas: Vec<_> = chunks.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta")).collect();
    let expected = [
        json!({"role": "assistant", "content": null, "refusal": null}),
        json!({"function_call": {"name": "get_weather", "arguments": ""}}),
        json!({"function_call": {"arguments": "{\"x\""}}),
        json!({"function_call": {"arguments": ":1}"}}),
        json!({}),
    ];
    assert_eq!(deltas, expected.iter().collect::<Vec<_>>());
    let finish = chunks.iter().find_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
    assert_eq!(finish, Some("function_call"));

    let simulator = Simulator::start(Script::new([calls(Fault::FunctionCall)])).await.unwrap();
    let choice = ask(&simulator, COMPLETIONS).await.json()["choices"][0].clone();
    assert_eq!(choice["finish_reason"], "function_call");
    assert_eq!(choice["message"]["function_call"], json!({"name": "get_weather", "arguments": "{\"x\":1}"}));
    assert_eq!(choice["message"].get("tool_calls"), None);
    assert_eq!(events(calls(Fault::FunctionCall), MESSAGES).await, without_fault(MESSAGES).await);
}
