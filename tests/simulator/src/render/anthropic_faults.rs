//! Faults of answers in Anthropic's format.

use serde_json::{Value, json};

use super::interleave::interleave;
use super::object::{remove, set};
use crate::event::Event;
use crate::fault::Fault;

/// Changes an answer that is not streamed.
pub(super) fn whole(mut body: Value, fault: Option<Fault>) -> Value {
    match fault {
        Some(Fault::NullChoices) => replace_content(&mut body, Value::Null),
        Some(Fault::EmptyChoices) => replace_content(&mut body, json!([])),
        Some(Fault::NoFinishReason) => set(&mut body, "stop_reason", Value::Null),
        _ => {}
    }
    body
}

/// Changes a stream.
pub(super) fn stream(mut events: Vec<Event>, fault: Option<Fault>) -> Vec<Event> {
    match fault {
        Some(Fault::NullChoices) => without_content(&mut events, Value::Null),
        Some(Fault::EmptyChoices) => without_content(&mut events, json!([])),
        Some(Fault::NoFinishReason) => {
            let reasons = events.iter_mut().filter_map(|event| event.json_mut()?.pointer_mut("/delta/stop_reason"));
            reasons.for_each(|reason| *reason = Value::Null);
        }
        Some(Fault::NoDone) => drop(events.pop()),
        Some(Fault::DoneInsteadOfStop) => {
            events.pop();
            events.push(Event::text("[DONE]"));
        }
        Some(Fault::InterleavedToolCalls) => {
            let calls: Vec<u64> = events.iter().filter_map(begun_call).collect();
            return interleave(events, |event| index(event).filter(|index| calls.contains(index)));
        }
        _ => {}
    }
    events
}

/// Leaves `message_start` and `message_stop`.
fn without_content(events: &mut Vec<Event>, nothing: Value) {
    let stop = events.pop();
    events.truncate(1);
    if let Some(message) = events.first_mut().and_then(|start| start.json_mut()?.get_mut("message")) {
        replace_content(message, nothing);
    }
    events.extend(stop);
}

fn replace_content(message: &mut Value, nothing: Value) {
    remove(message, "usage");
    set(message, "content", nothing);
}

/// The index of the block, if it is a tool call that begins here.
fn begun_call(event: &Event) -> Option<u64> {
    let kind = event.json()?.pointer("/content_block/type")?;
    index(event).filter(|_| kind == "tool_use")
}

fn index(event: &Event) -> Option<u64> {
    event.json()?.get("index")?.as_u64()
}
