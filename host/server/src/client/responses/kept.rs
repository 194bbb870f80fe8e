//! What only the provider knows of an answer of this format that a module has rewritten.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use crate::client::{
    kept::{Keeper, Shape, adopt, kind, text},
    responses::{
        kept_item::{KeptItem, MOST_REMOVED, is_known, keep_items, kind_of},
        object,
    },
    sse,
    waiting::Room,
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

/// Those of a response that goes on.
const BEGINNINGS: [&str; 3] = ["response.created", "response.queued", "response.in_progress"];

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
    if let Some(items) = ours.get_mut("output") {
        keep_items(items, theirs.get("output"), |_| false);
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
    /// What the provider says of the response so far, and what it has said before the end.
    response: Map<String, Value>,
    begun: Map<String, Value>,
    /// Unknown fields of events about the response, by the type of the event.
    events: BTreeMap<String, Map<String, Value>>,
    /// Unknown events that came before the response was told of.
    waiting: Vec<Value>,
    items: Vec<KeptItem>,
    /// The places of the provider's items in `items`, by their places at the provider and in the answer that is written, and by
    /// their ids.
    theirs: HashMap<u64, usize>,
    ours: HashMap<u64, usize>,
    ids: HashMap<String, usize>,
    /// The place of the first item that may begin next.
    next: usize,
    /// Whether the whole response was read.
    has_ended: bool,
    /// The whole items as they were written, by their places.
    written: HashMap<u64, Value>,
    room: Room,
}

impl Keeper for EventKeeper {
    fn read(&mut self, name: &str, mut event: Value, out: &mut Vec<u8>) {
        let kind = kind(name, &event);
        if let Some(event) = event.as_object_mut() {
            event.entry("type").or_insert_with(|| kind.as_str().into());
        }
        if STATES.contains(&kind.as_str()) {
            if let Some(Value::Object(response)) = event.get_mut("response").map(Value::take) {
                match BEGINNINGS.contains(&kind.as_str()) {
                    true => self.begun.extend(response.clone()),
                    false => self.read_output(response.get("output")),
                }
                self.response.extend(response);
            }
            self.events.entry(kind).or_default().extend(RESPONSE.unknown(event));
            return;
        }
        if is_known(&kind) && (kind == "response.output_item.added" || self.item_of(&event).is_none()) {
            self.keep_item(&kind, &event);
        }
        match self.item_of(&event) {
            Some(at) => {
                let item = self.items.get_mut(at);
                let told = item.and_then(|item| item.read(&kind, event, &mut self.room));
                told.into_iter().for_each(|event| self.tell(event, out));
            }
            // An error ends the answer, and the gateway tells of it.
            None if kind == "error" => {}
            None if is_known(&kind) => {}
            None if self.sequence == 0 => self.waiting.extend(self.room.take(&event).map(|_| event)),
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
        let at = place.and_then(|place| self.ours.get(&place));
        match at.and_then(|at| self.items.get_mut(*at)) {
            Some(item) => {
                let events = item.write(&kind, event, &mut self.room);
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
        if text(&event, "type") == "response.output_item.done"
            && let Some((place, item)) = event.get("output_index").and_then(Value::as_u64).zip(event.get("item"))
        {
            self.written.insert(place, item.clone());
        }
        sse::write(text(&event, "type"), &event, out);
    }

    /// Reads the items of the whole response. Some servers tell of items only there.
    fn read_output(&mut self, output: Option<&Value>) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        for (place, item) in (0..).zip(output.and_then(Value::as_array).into_iter().flatten()) {
            let id = text(item, "id");
            let is_it = |at: &usize| {
                self.items
                    .get(*at)
                    .is_some_and(|known| known.kind == kind_of(item) && (known.id == id || known.id.is_empty()))
            };
            let at_place = self.theirs.get(&place).copied().filter(is_it);
            let known = at_place.or_else(|| self.ids.get(id).copied().filter(is_it));
            let event = json!({"output_index": place, "item": item});
            if known.is_none() {
                self.keep_item("response.output_item.added", &event);
            }
            let at = known.unwrap_or(self.items.len().saturating_sub(1));
            if let Some(item) = self.items.get_mut(at).filter(|item| !item.is_done()) {
                item.read("response.output_item.done", event, &mut self.room);
            }
        }
    }

    fn keep_item(&mut self, kind: &str, event: &Value) {
        let Some(item) = KeptItem::begin(kind, event) else { return };
        self.theirs.insert(item.theirs, self.items.len());
        if !item.id.is_empty() {
            self.ids.insert(item.id.clone(), self.items.len());
        }
        self.items.push(item);
    }

    /// The place of the provider's item that an event of the provider is about.
    fn item_of(&self, event: &Value) -> Option<usize> {
        match event.get("output_index").and_then(Value::as_u64) {
            Some(index) => self.theirs.get(&index).copied(),
            None => self.ids.get(text(event, "item_id")).copied(),
        }
    }

    /// Finds the provider's item for one that begins. Those before it are ones that the module has removed.
    fn begin_item(&mut self, event: &Value) {
        let (Some(ours), Some(place)) = (event.get("item"), event.get("output_index").and_then(Value::as_u64)) else {
            return;
        };
        let next =
            || self.items.iter().enumerate().skip(self.next).take(MOST_REMOVED).filter(|(_, item)| item.is(ours));
        let found = next().find(|(_, item)| !item.is_silent()).or_else(|| next().next()).map(|(at, _)| at);
        if let Some((at, item)) = found.and_then(|at| Some((at, self.items.get_mut(at)?))) {
            item.ours = Some(place);
            self.ours.insert(place, at);
            self.next = at + 1;
        }
    }

    fn keep_response(&mut self, kind: &str, event: &mut Value) {
        let is_begun = BEGINNINGS.contains(&kind) && !self.begun.is_empty();
        let mut theirs = if is_begun { &self.begun } else { &self.response }.clone();
        if self.is_renamed {
            IDENTITY.iter().for_each(|name| drop(theirs.shift_remove(*name)));
        }
        if let Some(ours) = event.get_mut("response") {
            let written = ours.get_mut("output").and_then(Value::as_array_mut).into_iter().flatten();
            for (place, item) in (0..).zip(written) {
                if let Some(written) = self.written.remove(&place) {
                    *item = written;
                }
            }
            // An item that was told before the provider had sent all of it stays what it was.
            let kept = |place| self.ours.get(&place).and_then(|at| self.items.get(*at));
            let is_left = |place| kept(place).is_none_or(|item| item.is_written && !item.is_kept);
            if let Some(items) = ours.get_mut("output") {
                keep_items(items, theirs.get("output"), is_left);
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "jane@example.com";

    /// Events about an item that has not begun, all of which repeat a text.
    #[test]
    fn no_known_event_comes_back_as_it_was() {
        let at = |kind: &str, name: &str, index: Option<u64>| {
            let mut event = json!({"type": format!("response.{kind}"), "item_id": "m", name: SECRET, "delta": SECRET});
            index.into_iter().for_each(|index| event["output_index"] = index.into());
            event
        };
        for index in [None, Some(0), Some(7)] {
            let (mut keeper, mut out) = (EventKeeper::default(), Vec::new());
            keeper.write(json!({"type": "response.created", "response": {"status": "in_progress"}}), &mut out);
            for name in [
                "output_text",
                "refusal",
                "reasoning",
                "reasoning_text",
                "reasoning_summary",
                "reasoning_summary_text",
                "function_call_arguments",
                "custom_tool_call_input",
            ] {
                keeper.read("", at(&format!("{name}.delta"), "text", index), &mut out);
                keeper.read("", at(&format!("{name}.done"), "text", index), &mut out);
                // Some servers say the type only in the name.
                keeper.read(&format!("response.{name}.done"), json!({"text": SECRET, "item_id": "m"}), &mut out);
            }
            for kind in ["output_item.added", "output_item.done", "content_part.added", "content_part.done"] {
                let mut event = at(kind, "text", index);
                (event["item"], event["part"]) = (json!({"type": "message", "id": "m", "text": SECRET}), json!(SECRET));
                keeper.read("", event, &mut out);
            }
            let response = json!({"output": [SECRET], "output_text": SECRET, "z": 1});
            keeper.read("", json!({"type": "response.completed", "response": response}), &mut out);
            keeper.write(
                json!({"type": "response.completed", "response": {"status": "completed", "output": []}}),
                &mut out,
            );
            let out = String::from_utf8(out).unwrap();
            assert!(!out.contains(SECRET) && out.contains("\"z\":1"), "{out}");
        }
    }

    #[test]
    fn nothing_comes_back_of_an_item_that_the_module_has_removed() {
        let (mut keeper, mut out) = (EventKeeper::default(), Vec::new());
        let item = |index: u64, kind: &str| {
            let item = json!({"type": kind, "id": format!("item_{index}"), "zz": index});
            json!({"type": "response.output_item.added", "output_index": index, "item": item})
        };
        let searching = |index: u64| json!({"type": "response.tool.searching", "output_index": index});
        keeper.write(json!({"type": "response.created", "response": {"status": "in_progress"}}), &mut out);
        for event in [item(0, "tool"), searching(0), item(1, "message"), searching(1)] {
            keeper.read("", event, &mut out);
        }
        let message = json!({"type": "message", "id": "ours"});
        keeper.write(json!({"type": "response.output_item.added", "output_index": 0, "item": message}), &mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("\"zz\":1") && out.contains("\"id\":\"item_1\""), "{out}");
        assert!(!out.contains("item_0") && out.matches("searching\"").count() == 1, "{out}");
        let numbers: Vec<_> = (0..3).map(|number| out.contains(&format!("\"sequence_number\":{number}"))).collect();
        assert_eq!(numbers, [true; 3], "{out}");
        assert!(!out.contains("\"output_index\":1"), "{out}");
    }
}
