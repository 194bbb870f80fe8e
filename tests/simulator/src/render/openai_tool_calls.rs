//! Faults of tool calls in OpenAI's format.

use serde_json::{Value, json};

use super::interleave::interleave;
use super::object::{remove, set};
use crate::event::Event;
use crate::fault::Fault;

const CALLS: &str = "/choices/0/delta/tool_calls";
const CALL: &str = "/choices/0/delta/tool_calls/0";
const NAME: &str = "/choices/0/delta/tool_calls/0/function/name";

/// Moves the first tool call of an answer that is not streamed to the old field.
pub(super) fn whole(body: &mut Value) {
    let Some(choice) = body.pointer_mut("/choices/0") else { return };
    old_finish_reason(choice);
    let Some(message) = choice.get_mut("message") else { return };
    if let Some(function) = remove(message, "tool_calls").and_then(|calls| calls.pointer("/0/function").cloned()) {
        set(message, "function_call", function);
    }
}

/// Changes the events of tool calls.
pub(super) fn stream(events: Vec<Event>, fault: Fault) -> Vec<Event> {
    match fault {
        Fault::InterleavedToolCalls => interleave(events, call_number),
        Fault::ToolNameInPieces => events.into_iter().flat_map(name_in_pieces).collect(),
        Fault::ToolNameRepeated => with_names(events),
        Fault::ToolNameEmpty => each_call(events, |call| {
            if call.get("id").is_none() {
                set(call, "id", "");
                call.pointer_mut("/function").into_iter().for_each(|function| set(function, "name", ""));
            }
        }),
        Fault::ToolCallsWithoutIndex => each_call(events, |call| {
            remove(call, "index");
        }),
        Fault::ToolCallsAtOneIndex => each_call(events, |call| set(call, "index", 0)),
        Fault::FunctionCall => events.into_iter().filter_map(old_field).collect(),
        _ => events,
    }
}

fn call_number(event: &Event) -> Option<u64> {
    event.json()?.pointer(CALL)?.get("index")?.as_u64()
}

fn each_call(mut events: Vec<Event>, change: impl Fn(&mut Value)) -> Vec<Event> {
    let calls = events.iter_mut().filter_map(|event| event.json_mut()?.pointer_mut(CALL));
    calls.for_each(change);
    events
}

/// The event that begins a call, as two: the second one has the rest of the name, and the empty arguments.
fn name_in_pieces(mut event: Event) -> Vec<Event> {
    let name = event.json().and_then(|data| data.pointer(NAME)?.as_str()).unwrap_or_default().to_owned();
    let (first, second) = name.split_at(name.ceil_char_boundary(name.len().div_ceil(2)));
    if second.is_empty() {
        return vec![event];
    }
    let mut rest = event.clone();
    if let Some(call) = event.json_mut().and_then(|data| data.pointer_mut(CALL)) {
        set(call, "function", json!({"name": first}));
    }
    if let Some(call) = rest.json_mut().and_then(|data| data.pointer_mut(CALL)) {
        let index = remove(call, "index");
        *call = json!({"index": index, "function": {"name": second, "arguments": ""}});
    }
    vec![event, rest]
}

/// Gives each piece of a call the id and the name that the call began with.
fn with_names(events: Vec<Event>) -> Vec<Event> {
    let begun = events.iter().filter(|event| event.json().is_some_and(|data| data.pointer(NAME).is_some()));
    let begun: Vec<Value> = begun.filter_map(|event| event.json()?.pointer(CALL).cloned()).collect();
    each_call(events, |call| {
        let Some(first) = begun.iter().find(|first| first.get("index") == call.get("index")) else { return };
        let arguments = call.pointer("/function/arguments").cloned().unwrap_or_default();
        *call = first.clone();
        if let Some(function) = call.get_mut("function") {
            set(function, "arguments", arguments);
        }
    })
}

/// The event with the old field. There is none for calls after the first.
fn old_field(mut event: Event) -> Option<Event> {
    if call_number(&event).is_some_and(|number| number > 0) {
        return None;
    }
    if let Some(choice) = event.json_mut().and_then(|data| data.pointer_mut("/choices/0")) {
        old_finish_reason(choice);
    }
    let has_calls = event.json().is_some_and(|data| data.pointer(CALLS).is_some());
    if let Some(delta) = event.json_mut().and_then(|data| data.pointer_mut("/choices/0/delta")).filter(|_| has_calls) {
        let function = delta.pointer_mut("/tool_calls/0/function").map(Value::take);
        *delta = json!({"function_call": function});
    }
    Some(event)
}

fn old_finish_reason(choice: &mut Value) {
    if choice.get("finish_reason").is_some_and(|reason| reason == "tool_calls") {
        set(choice, "finish_reason", "function_call");
    }
}
