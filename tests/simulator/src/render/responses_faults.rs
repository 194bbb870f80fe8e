//! Faults of answers in OpenAI's Responses format.

use serde_json::{Value, json};

use super::interleave::interleave;
use super::object::{remove, set};
use crate::event::Event;
use crate::fault::Fault;

/// Changes an answer that is not streamed.
pub(super) fn whole(mut body: Value, fault: Option<Fault>) -> Value {
    match fault {
        Some(Fault::NullChoices) => replace_output(&mut body, Value::Null),
        Some(Fault::EmptyChoices) => replace_output(&mut body, json!([])),
        Some(Fault::NoFinishReason) => set(&mut body, "status", "in_progress"),
        _ => {}
    }
    body
}

/// Changes a stream, and numbers its events.
pub(super) fn stream(events: Vec<Event>, fault: Option<Fault>) -> Vec<Event> {
    let mut events = changed(events, fault);
    for (number, data) in (0_u64..).zip(events.iter_mut().filter_map(Event::json_mut)) {
        set(data, "sequence_number", number);
    }
    events
}

fn changed(mut events: Vec<Event>, fault: Option<Fault>) -> Vec<Event> {
    match fault {
        Some(Fault::NullChoices) => without_output(&mut events, &Value::Null),
        Some(Fault::EmptyChoices) => without_output(&mut events, &json!([])),
        Some(Fault::NoDone | Fault::NoFinishReason) => drop(events.pop()),
        Some(Fault::InterleavedToolCalls) => {
            let calls = calls(&events);
            return interleave(events, |event| index(event).filter(|index| calls.contains(index)));
        }
        Some(Fault::ToolCallsWithoutIndex) => each_of_calls(&mut events, |data| drop(remove(data, "output_index"))),
        Some(Fault::ToolCallsAtOneIndex) => each_of_calls(&mut events, |data| set(data, "output_index", 0)),
        _ => {}
    }
    events
}

/// The indexes of the items that are tool calls.
fn calls(events: &[Event]) -> Vec<u64> {
    let is_call = |event: &&Event| {
        event.json().and_then(|data| data.pointer("/item/type")).is_some_and(|kind| kind == "function_call")
    };
    events.iter().filter(is_call).filter_map(index).collect()
}

fn each_of_calls(events: &mut [Event], change: impl Fn(&mut Value)) {
    let calls = calls(events);
    for event in events {
        if index(event).is_some_and(|index| calls.contains(&index)) {
            event.json_mut().into_iter().for_each(&change);
        }
    }
}

fn index(event: &Event) -> Option<u64> {
    event.json()?.get("output_index")?.as_u64()
}

/// Leaves the first event and the last one.
fn without_output(events: &mut Vec<Event>, nothing: &Value) {
    let last = events.pop();
    events.truncate(1);
    events.extend(last);
    let responses = events.iter_mut().filter_map(|event| event.json_mut()?.get_mut("response"));
    responses.for_each(|response| replace_output(response, nothing.clone()));
}

fn replace_output(response: &mut Value, nothing: Value) {
    remove(response, "usage");
    set(response, "output", nothing);
}
