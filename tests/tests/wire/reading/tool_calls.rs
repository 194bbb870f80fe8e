//! Tool calls in OpenAI streams (`findings/wire.md`, section 1).

use arcllm::{Event, Response, StopReason};
use arcllm_simulator::Format;
use serde_json::{Value, json};

use super::stage::{ch, chunked, done, hear, tc, whole};

/// The calls as `id name arguments`.
fn calls(response: &Response) -> Vec<String> {
    let line = |call: &arcllm::ToolCall| format!("{} {} {}", call.id, call.name, Value::from(call.arguments.clone()));
    response.tool_calls().map(line).collect()
}

/// Sends each entry in a chunk of its own. Checks that each call is told once, whole.
async fn streamed(entries: &[Value], finish: &str) -> Vec<String> {
    let mut events: Vec<String> = entries.iter().map(|entry| ch(&json!({"tool_calls": [entry]}), None)).collect();
    events.extend([ch(&json!({}), Some(finish)), done()]);
    let heard = hear(Format::OpenAi, chunked(&events)).await;
    let response = heard.end.unwrap();
    assert_eq!(response.stop_reason, StopReason::ToolUse);
    let told = heard.events.iter().filter_map(|event| match event {
        Event::ToolUseEnd { call, .. } => Some(call),
        _ => None,
    });
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|call| response.tool_calls().position(|other| other.id == call.id));
    assert!(told.into_iter().eq(response.tool_calls()), "each is told once, as it is: {:?}", heard.events);
    calls(&response)
}

const BOTH: [&str; 2] = ["a f {\"x\":1}", "b g {\"y\":2}"];

#[tokio::test]
async fn interleaved_calls_are_told_when_they_are_whole() {
    let entries = [
        tc(0, "a", "f", ""),
        tc(1, "b", "g", ""),
        tc(0, "", "", "{\"x\":"),
        tc(1, "", "", "{\"y\":"),
        tc(0, "", "", "1}"),
        tc(1, "", "", "2}"),
    ];
    assert_eq!(streamed(&entries, "tool_calls").await, BOTH);
    let entries = [tc(0, "a", "f", "{\"x\":"), tc(1, "b", "g", "{\"y\":"), tc(0, "", "", "1}"), tc(1, "", "", "2}")];
    assert_eq!(streamed(&entries, "tool_calls").await, BOTH);
}

#[tokio::test]
async fn names_in_pieces_are_joined_and_repeated_names_are_not() {
    let entries = [tc(0, "a", "get_", ""), tc(0, "", "weather", "{}")];
    assert_eq!(streamed(&entries, "tool_calls").await, ["a get_weather {}"]);
    let entries = [tc(0, "a", "f", ""), tc(0, "a", "f", "{\"x\":"), tc(0, "a", "f", "1}")];
    assert_eq!(streamed(&entries, "stop").await, ["a f {\"x\":1}"]);
}

#[tokio::test]
async fn calls_that_share_an_index_or_have_none() {
    let entries = [tc(0, "a", "f", "{\"x\":1}"), tc(0, "b", "g", "{\"y\":"), tc(0, "", "", "2}")];
    assert_eq!(streamed(&entries, "stop").await, BOTH);
    let without_index = entries.map(|mut entry| {
        entry.as_object_mut().unwrap().remove("index");
        entry
    });
    assert_eq!(streamed(&without_index, "stop").await, BOTH);
    let descending = [tc(1, "b", "g", "{\"y\":2}"), tc(0, "a", "f", "{\"x\":1}")];
    assert_eq!(streamed(&descending, "tool_calls").await, BOTH);
}

#[tokio::test]
async fn the_old_field_is_one_call() {
    let function = json!({"name": "f", "arguments": "{\"x\":1}"});
    let body = json!({"choices": [{"message": {"content": null, "function_call": function}, "finish_reason": "function_call"}]});
    let answer = whole(Format::OpenAi, body.to_string()).await.unwrap();
    let (first, second) = (json!({"name": "f", "arguments": "{\"x\""}), json!({"arguments": ":1}"}));
    let events = [
        ch(&json!({"function_call": first}), None),
        ch(&json!({"function_call": second}), None),
        ch(&json!({}), Some("function_call")),
        done(),
    ];
    let streamed = hear(Format::OpenAi, chunked(&events)).await.end.unwrap();
    assert_eq!(calls(&answer), ["call_0 f {\"x\":1}"]);
    assert_eq!((calls(&streamed), &streamed.stop_reason), (calls(&answer), &StopReason::ToolUse));
    assert_eq!(answer.stop_reason, StopReason::ToolUse);
}
