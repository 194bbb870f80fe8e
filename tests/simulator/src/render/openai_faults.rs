//! Faults of answers in OpenAI's format.

use serde_json::{Value, json};

use super::object::{remove, set};
use super::openai_tool_calls;
use crate::event::Event;
use crate::fault::Fault;

/// Changes an answer that is not streamed.
pub(super) fn whole(mut body: Value, fault: Option<Fault>) -> Value {
    match fault {
        Some(Fault::NullChoices) => replace_choices(&mut body, Value::Null),
        Some(Fault::EmptyChoices) => replace_choices(&mut body, json!([])),
        Some(Fault::NoContent) => keep_thinking(body.pointer_mut("/choices/0/message")),
        Some(Fault::NoFinishReason) => forget_finish_reason(&mut body),
        Some(Fault::FunctionCall) => openai_tool_calls::whole(&mut body),
        _ => {}
    }
    body
}

/// Changes a stream.
pub(super) fn stream(mut events: Vec<Event>, fault: Option<Fault>) -> Vec<Event> {
    match fault {
        Some(Fault::NullChoices) => without_choices(&mut events, &Value::Null),
        Some(Fault::EmptyChoices) => without_choices(&mut events, &json!([])),
        Some(Fault::NoContent) => {
            values(&mut events).for_each(|data| keep_thinking(data.pointer_mut("/choices/0/delta")));
        }
        Some(Fault::NoFinishReason) => values(&mut events).for_each(forget_finish_reason),
        Some(Fault::NoDone) => drop(events.pop()),
        Some(fault) => return openai_tool_calls::stream(events, fault),
        None => {}
    }
    events
}

fn values(events: &mut [Event]) -> impl Iterator<Item = &mut Value> {
    events.iter_mut().filter_map(Event::json_mut)
}

/// Leaves one chunk and `[DONE]`.
fn without_choices(events: &mut Vec<Event>, nothing: &Value) {
    let done = events.pop();
    events.truncate(1);
    events.extend(done);
    values(events).for_each(|data| replace_choices(data, nothing.clone()));
}

fn replace_choices(data: &mut Value, nothing: Value) {
    remove(data, "usage");
    set(data, "choices", nothing);
}

/// Leaves the role and the thinking in a message or a delta.
fn keep_thinking(message: Option<&mut Value>) {
    if let Some(fields) = message.and_then(Value::as_object_mut) {
        fields.retain(|key, _| key == "role" || key == "reasoning_content");
    }
}

fn forget_finish_reason(data: &mut Value) {
    if let Some(reason) = data.pointer_mut("/choices/0/finish_reason") {
        *reason = Value::Null;
    }
}
