//! What only the provider knows of an answer of this format that a module has rewritten.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::client::{
    kept::{Keeper, Shape, adopt, items, text},
    responses::{
        kept_item::{KeptItem, keep_item, kind_of},
        object,
    },
    sse,
};

/// The events that tell of the response.
const STATES: [&str; 8] = [
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.completed",
    "response.incomplete",
    "response.cancelled",
    "response.done",
    "response.failed",
];

/// What names the answer, and what a provider decides itself. No module can change it.
const IDENTITY: [&str; 3] = ["id", "created_at", "model"];

/// Fields that repeat the request and hold content. A module may have changed what the provider was sent, so they are the client's
/// own, where it has set them.
const CONTENT: [&str; 8] =
    ["instructions", "metadata", "prompt_cache_key", "safety_identifier", "text", "tool_choice", "tools", "user"];

/// Of a response, and of the events that tell of one. The counts hold no text.
const RESPONSE: Shape = Shape {
    known: &[
        "type",
        "sequence_number",
        "id",
        "object",
        "status",
        "error",
        "incomplete_details",
        "output",
        "output_text",
    ],
    inside: &["response", "usage", "input_tokens_details", "output_tokens_details"],
};

/// Adds to a whole answer what only its provider knows.
pub(crate) fn keep(ours: &mut Value, theirs: Value) {
    let mut next = 0;
    for item in ours.get_mut("output").and_then(Value::as_array_mut).into_iter().flatten() {
        let mut provided = items(&theirs, "output").enumerate().skip(next);
        if let Some((at, theirs)) = provided.find(|(_, theirs)| kind_of(theirs) == kind_of(item)) {
            keep_item(item, theirs);
            next = at + 1;
        }
    }
    keep_response(ours, theirs);
}

fn keep_response(ours: &mut Value, theirs: Value) {
    adopt(ours, &theirs, &IDENTITY);
    for (name, default) in object::ECHOED {
        let is_default =
            || serde_json::from_str::<Value>(default).is_ok_and(|default| ours.get(name) == Some(&default));
        if !CONTENT.contains(&name) || is_default() {
            adopt(ours, &theirs, &[name]);
        }
    }
    RESPONSE.keep(ours, theirs);
}

/// Adds to the events of an answer what only its provider knows.
#[derive(Default)]
pub(crate) struct EventKeeper {
    /// The number of the next event.
    sequence: u64,
    /// Whether the client knows the response by the gateway's id, since it was told of it before the provider had answered.
    is_renamed: bool,
    /// What the provider says of the response so far, without its items.
    response: Map<String, Value>,
    /// Unknown fields of events about the response, by the type of the event.
    events: BTreeMap<String, Map<String, Value>>,
    /// Unknown events that came before the response was told of.
    waiting: Vec<Value>,
    items: Vec<KeptItem>,
}

impl Keeper for EventKeeper {
    fn read(&mut self, mut event: Value, out: &mut Vec<u8>) {
        let kind = text(&event, "type").to_owned();
        if STATES.contains(&kind.as_str()) {
            if let Some(Value::Object(response)) = event.get_mut("response").map(Value::take) {
                self.response.extend(response.into_iter().filter(|(name, _)| name != "output"));
            }
            self.events.entry(kind).or_default().extend(RESPONSE.unknown(event));
            return;
        }
        if kind == "response.output_item.added" {
            return self.items.extend(KeptItem::begin(event));
        }
        let has_begun = self.sequence > 0;
        match self.item_of(&event) {
            Some(item) => item.read(&kind, event).into_iter().for_each(|event| self.tell(event, out)),
            // An error ends the answer, and the gateway tells of it.
            None if kind == "error" => {}
            None if kind == "response.output_item.done" => self.items.extend(KeptItem::begin(event)),
            None if !has_begun => self.waiting.push(event),
            None => self.tell(event, out),
        }
    }

    fn write(&mut self, mut event: Value, out: &mut Vec<u8>) {
        let kind = text(&event, "type").to_owned();
        if self.sequence == 0 && kind != "response.created" {
            self.is_renamed = true;
            self.sequence = event.get("sequence_number").and_then(Value::as_u64).unwrap_or_default();
        }
        if event.get("response").is_some() {
            self.keep_response(&kind, &mut event);
            self.tell(event, out);
            for event in std::mem::take(&mut self.waiting) {
                self.tell(event, out);
            }
            return;
        }
        let place = event.get("output_index").and_then(Value::as_u64);
        if kind == "response.output_item.added" {
            self.begin_item(&event);
        }
        match self.items.iter_mut().find(|item| item.ours.is_some() && item.ours == place) {
            Some(item) => {
                let events = item.write(&kind, event);
                events.into_iter().for_each(|event| self.tell(event, out));
            }
            None => self.tell(event, out),
        }
    }
}

impl EventKeeper {
    /// Writes an event with the next number.
    fn tell(&mut self, mut event: Value, out: &mut Vec<u8>) {
        if let Some(event) = event.as_object_mut() {
            event.insert("sequence_number".to_owned(), self.sequence.into());
        }
        self.sequence += 1;
        sse::write(text(&event, "type"), &event, out);
    }

    /// The provider's item that an event of the provider is about.
    fn item_of(&mut self, event: &Value) -> Option<&mut KeptItem> {
        let index = event.get("output_index").and_then(Value::as_u64);
        let id = text(event, "item_id");
        self.items.iter_mut().rev().find(|item| match index {
            Some(index) => item.theirs == index,
            None => !id.is_empty() && item.id == id,
        })
    }

    /// Finds the provider's item for one that begins. Those before it are ones that the module has removed.
    fn begin_item(&mut self, event: &Value) {
        let kind = event.get("item").map(kind_of).unwrap_or_default();
        let last = self.items.iter().rposition(|item| item.ours.is_some()).map_or(0, |at| at + 1);
        if let Some(item) = self.items.iter_mut().skip(last).find(|item| item.kind == kind) {
            item.ours = event.get("output_index").and_then(Value::as_u64);
        }
    }

    fn keep_response(&mut self, kind: &str, event: &mut Value) {
        let mut theirs = self.response.clone();
        if self.is_renamed {
            IDENTITY.iter().for_each(|name| drop(theirs.shift_remove(*name)));
        }
        if let Some(ours) = event.get_mut("response") {
            let written = ours.get_mut("output").and_then(Value::as_array_mut).into_iter().flatten();
            for (place, item) in (0..).zip(written) {
                let kept = self.items.iter_mut().find(|kept| kept.ours == Some(place));
                if let Some(whole) = kept.and_then(|kept| kept.whole.take()) {
                    *item = whole;
                }
            }
            // The counts are those of the end.
            if text(ours, "status") == "in_progress" {
                theirs.shift_remove("usage");
            }
            keep_response(ours, theirs.into());
        }
        RESPONSE.add(event, self.events.remove(kind).unwrap_or_default());
    }
}
