//! What only the provider knows of an item of an answer that a module has rewritten.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{
    kept::{FollowedText, Shape, are_of, items, set, text},
    waiting::{Room, WaitingFields},
};

/// How many items or parts in a row a module may remove. Behind more, what belongs to one is lost.
pub(crate) const MOST_REMOVED: usize = 64;

/// Items whose content modules see apart. Others they see as JSON.
const READ: [&str; 4] = ["message", "reasoning", "function_call", "custom_tool_call"];

/// The events about an item that the gateway writes or leaves out: how their types begin behind `response.`, and the type of the
/// item. They repeat its texts.
const KNOWN: [(&str, &str); 12] = [
    ("output_item.", ""),
    ("content_part.", "message"),
    ("output_text.", "message"),
    ("refusal.", "message"),
    ("reasoning_summary_part.", "reasoning"),
    ("reasoning_summary_text.", "reasoning"),
    ("reasoning_summary.", "reasoning"),
    ("reasoning_part.", "reasoning"),
    ("reasoning_text.", "reasoning"),
    ("reasoning.", "reasoning"),
    ("function_call_arguments.", "function_call"),
    ("custom_tool_call_input.", "custom_tool_call"),
];

/// The type of the item that an event of a known type is about.
fn known_item(kind: &str) -> Option<&'static str> {
    let rest = kind.strip_prefix("response.")?;
    KNOWN.into_iter().find(|(beginning, _)| rest.starts_with(beginning)).map(|(_, item)| item)
}

/// Whether the type of an event about an item is known.
pub(crate) fn is_known(kind: &str) -> bool {
    known_item(kind).is_some()
}

/// Of an item, of its parts, and of the events about them. Quotes, places and tokens may hold what the module has removed.
const ITEM: Shape = Shape {
    known: &[
        "type",
        "sequence_number",
        "item_id",
        "output_index",
        "content_index",
        "summary_index",
        "annotation_index",
        "id",
        "status",
        "role",
        "content",
        "text",
        "refusal",
        "delta",
        "annotation",
        "annotations",
        "logprobs",
        "summary",
        "encrypted_content",
        "call_id",
        "name",
        "namespace",
        "arguments",
        "input",
    ],
    inside: &["item", "part"],
};

/// The type of an item.
pub(crate) fn kind_of(item: &Value) -> &str {
    text(item, "type")
}

/// Whether an item is of this type, and the same call if it is one.
fn is_item(item: &Value, kind: &str, call_id: &str) -> bool {
    kind_of(item) == kind && (call_id.is_empty() || text(item, "call_id") == call_id)
}

/// Whether an item is a message without a text, which is not told.
fn says_nothing(item: &Value) -> bool {
    let is_empty = |part: &Value| ["text", "refusal"].iter().all(|name| text(part, name).is_empty());
    kind_of(item) == "message" && items(item, "content").all(is_empty)
}

/// Adds to these items what only their provider knows.
pub(crate) fn keep_items(ours: &mut Value, theirs: Option<&Value>) {
    let provided = theirs.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut next = 0;
    for item in ours.as_array_mut().into_iter().flatten() {
        let mut following = provided.iter().enumerate().skip(next).take(MOST_REMOVED);
        let is_it = |theirs: &Value| is_item(item, kind_of(theirs), text(theirs, "call_id")) && !says_nothing(theirs);
        if let Some((at, theirs)) = following.find(|(_, theirs)| is_it(theirs)) {
            keep_item(item, theirs);
            next = at + 1;
        }
    }
}

/// Adds to an item what only its provider knows. Parts stand for each other if they have the same place.
fn keep_item(ours: &mut Value, theirs: &Value) {
    if !READ.contains(&kind_of(ours)) {
        return;
    }
    if kind_of(ours) == "reasoning" && reasoning_of(ours) == reasoning_of(theirs) {
        *ours = theirs.clone();
        return;
    }
    if let (Some(ours), Some(id)) = (ours.as_object_mut(), theirs.get("id").filter(|id| id.is_string())) {
        ours.insert("id".to_owned(), id.clone());
    }
    let parts = ours.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten();
    let provided = theirs.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (at, part) in parts.enumerate() {
        // The module may have removed parts before it.
        let mut following = provided.iter().skip(at).take(MOST_REMOVED);
        let is_same = |theirs: &&Value| kind_of(theirs) == kind_of(part) && text(theirs, "text") == text(part, "text");
        let at_place = || provided.get(at).filter(|theirs| kind_of(theirs) == kind_of(part));
        if let Some(theirs) = following.find(is_same).or_else(at_place) {
            keep_part(part, theirs);
        }
    }
    ITEM.keep(ours, theirs.clone());
}

/// The text of reasoning, in one piece.
fn reasoning_of(item: &Value) -> String {
    let parts = items(item, "summary").chain(items(item, "content")).map(|part| text(part, "text"));
    parts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// Adds to a part what only its provider knows.
fn keep_part(ours: &mut Value, theirs: &Value) {
    if text(ours, "text") != text(theirs, "text") {
        // They point into a text that has changed.
        for name in ["annotations", "logprobs"] {
            ours.get_mut(name).into_iter().for_each(|list| *list = json!([]));
        }
    }
    ITEM.keep(ours, theirs.clone());
}

/// An item of the provider's stream.
pub(crate) struct KeptItem {
    /// Its place at the provider.
    pub(crate) theirs: u64,
    /// Its place in the answer that is written, once it has begun there.
    pub(crate) ours: Option<u64>,
    pub(crate) id: String,
    pub(crate) kind: String,
    call_id: String,
    /// The whole item as it was written.
    pub(crate) whole: Option<Value>,
    /// The unknown fields of its events.
    events: WaitingFields,
    /// Unknown events that wait for its beginning.
    waiting: Vec<Value>,
    texts: BTreeMap<u64, FollowedText>,
    /// The whole item of the provider.
    done: Option<Value>,
    /// The parts of the provider, and those that were written, by their place.
    parts: BTreeMap<u64, Value>,
    written: BTreeMap<u64, Value>,
}

impl KeptItem {
    /// The item that this event of a known type begins. Some servers do not say that an item begins.
    pub(crate) fn begin(name: &str, event: &Value) -> Option<Self> {
        let theirs = event.get("output_index").and_then(Value::as_u64)?;
        let (id, kind, call_id) = match event.get("item") {
            Some(item) => (text(item, "id"), kind_of(item), text(item, "call_id")),
            None => (text(event, "item_id"), known_item(name)?, ""),
        };
        let (id, kind, call_id) = (id.to_owned(), kind.to_owned(), call_id.to_owned());
        let (ours, whole, events, waiting, texts, done, parts, written) = Default::default();
        Some(Self { theirs, ours, id, kind, call_id, whole, events, waiting, texts, done, parts, written })
    }

    /// Whether this item of the answer that is written stands for it.
    pub(crate) fn is(&self, ours: &Value) -> bool {
        is_item(ours, &self.kind, &self.call_id) && !self.done.as_ref().is_some_and(says_nothing)
    }

    fn is_read(&self) -> bool {
        READ.contains(&self.kind.as_str())
    }

    /// Reads an event of the provider. Returns one that stands for itself.
    pub(crate) fn read(&mut self, kind: &str, event: Value, room: &mut Room) -> Option<Value> {
        let part = event.get("content_index").and_then(Value::as_u64).unwrap_or_default();
        match kind {
            "response.output_text.delta" => {
                let logprobs =
                    event.get("logprobs").filter(|list| list.is_array() && are_of(Some(list), text(&event, "delta")));
                let logprobs = logprobs.cloned();
                self.texts.entry(part).or_default().read(text(&event, "delta"), logprobs, room);
            }
            "response.content_part.done" => {
                self.parts.insert(part, event.get("part").cloned().unwrap_or_default());
            }
            _ => {}
        }
        if kind == "response.output_item.done" && self.is_read() {
            self.done = event.get("item").cloned();
        }
        if is_known(kind) {
            self.keep_event(kind, event, room);
            return None;
        }
        if self.ours.is_none() {
            self.waiting.extend(room.take(&event).map(|_| event));
            return None;
        }
        Some(self.placed(event))
    }

    fn keep_event(&mut self, kind: &str, event: Value, room: &mut Room) {
        let part = part_of(&event);
        let mut unknown = ITEM.unknown(event);
        if !self.is_read() {
            // The module has seen the whole item.
            unknown.shift_remove("item");
        }
        if !unknown.is_empty() && self.whole.is_none() {
            self.events.push(kind, part, unknown, room);
        }
    }

    /// An event of the provider, at the place of the item in the answer that is written.
    fn placed(&self, mut event: Value) -> Value {
        if let (Some(event), Some(place)) = (event.as_object_mut(), self.ours) {
            event.insert("output_index".to_owned(), place.into());
        }
        event
    }

    /// The events to write for one of the gateway.
    pub(crate) fn write(&mut self, kind: &str, mut event: Value, room: &mut Room) -> Vec<Value> {
        self.name(&mut event);
        let part = event.get("content_index").and_then(Value::as_u64).unwrap_or_default();
        let mut events = self.rest_before(kind, &event, room);
        match kind {
            "response.output_item.added" => {
                self.add_unknown(kind, &mut event, room);
                events.push(event);
                let waiting = std::mem::take(&mut self.waiting);
                events.extend(waiting.into_iter().map(|event| self.placed(event)));
                return events;
            }
            "response.output_text.delta" => {
                let logprobs = self.texts.entry(part).or_default().write(text(&event, "delta"), room);
                let logprobs: Value = logprobs.iter().filter_map(Value::as_array).flatten().cloned().collect();
                set(&mut event, "logprobs", logprobs);
            }
            "response.output_text.annotation.added" if !self.is_same(part) => return events,
            "response.output_text.done" => {
                if let Some(theirs) = self.parts.get(&part).filter(|_| self.is_same(part)) {
                    let logprobs = theirs.get("logprobs").cloned().unwrap_or_else(|| json!([]));
                    set(&mut event, "logprobs", logprobs);
                }
            }
            "response.content_part.done" => {
                let theirs = self.parts.remove(&part);
                if let Some(ours) = event.get_mut("part") {
                    theirs.into_iter().for_each(|theirs| keep_part(ours, &theirs));
                    self.written.insert(part, ours.clone());
                }
            }
            "response.output_item.done" => {
                self.end(&mut event);
                if let (Some(theirs), Some(ours)) = (self.done.take(), event.get_mut("item")) {
                    keep_item(ours, &theirs);
                }
            }
            _ => {}
        }
        self.add_unknown(kind, &mut event, room);
        if kind == "response.output_item.done" {
            for (_, mut unknown) in self.events.take_all(room) {
                unknown.retain(|name, _| !ITEM.inside.contains(&name.as_str()));
                ITEM.add(&mut event, unknown);
            }
            self.whole = event.get("item").cloned();
        }
        events.push(event);
        events
    }

    /// Gives the item its id at the provider.
    fn name(&self, event: &mut Value) {
        if self.id.is_empty() {
            return;
        }
        if let Some(id) = event.get_mut("item_id") {
            *id = self.id.as_str().into();
        }
        if let Some(id) = event.get_mut("item").filter(|_| self.is_read()).and_then(|item| item.get_mut("id")) {
            *id = self.id.as_str().into();
        }
    }

    /// Whether a text was handed on as it came.
    fn is_same(&self, part: u64) -> bool {
        self.texts.get(&part).is_none_or(FollowedText::is_same)
    }

    /// Puts the parts into the whole item as they were written.
    fn end(&mut self, event: &mut Value) {
        let content = event.get_mut("item").and_then(|item| item.get_mut("content")).and_then(Value::as_array_mut);
        for (place, part) in (0..).zip(content.into_iter().flatten()) {
            if let Some(written) = self.written.remove(&place) {
                *part = written;
            }
        }
    }

    fn add_unknown(&mut self, kind: &str, event: &mut Value, room: &mut Room) {
        ITEM.add(event, self.events.pop(kind, part_of(event), room));
    }

    /// The unknown fields of pieces that were not written, in pieces without a text, before the text is told as whole.
    fn rest_before(&mut self, kind: &str, event: &Value, room: &mut Room) -> Vec<Value> {
        let Some(kind) = kind.strip_suffix(".done").map(|kind| format!("{kind}.delta")) else { return Vec::new() };
        if event.get("item").is_some() || event.get("part").is_some() {
            return Vec::new();
        }
        let rest = self.events.take(&kind, part_of(event), room);
        let empty = |unknown| {
            let mut piece = json!({"type": kind});
            for name in ["item_id", "output_index", "content_index", "summary_index"] {
                event.get(name).into_iter().for_each(|value| set(&mut piece, name, value.clone()));
            }
            set(&mut piece, "delta", "");
            if kind == "response.output_text.delta" {
                set(&mut piece, "logprobs", json!([]));
            }
            ITEM.add(&mut piece, unknown);
            piece
        };
        rest.into_iter().map(empty).collect()
    }
}

/// The place of the part that an event is about.
fn part_of(event: &Value) -> Option<u64> {
    let place = |name| event.get(name).and_then(Value::as_u64);
    place("content_index").or_else(|| place("summary_index"))
}
