//! What only the provider knows of an item of an answer that a module has rewritten.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{
    kept::{Shape, items, set, text},
    responses::provided_parts::{ProvidedParts, says_something},
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
    kind_of(item) == "message" && !items(item, "content").any(says_something)
}

/// Adds to these items what only their provider knows, unless `is_left` says that the one at this place stays as it is.
pub(crate) fn keep_items(ours: &mut Value, theirs: Option<&Value>, is_left: impl Fn(u64) -> bool) {
    let provided = theirs.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut next = 0;
    for (place, item) in (0..).zip(ours.as_array_mut().into_iter().flatten()) {
        let mut following = provided.iter().enumerate().skip(next).take(MOST_REMOVED);
        let is_it = |theirs: &Value| is_item(item, kind_of(theirs), text(theirs, "call_id")) && !says_nothing(theirs);
        if let Some((at, theirs)) = following.find(|(_, theirs)| is_it(theirs)) {
            if !is_left(place) {
                keep_item(item, theirs);
            }
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
    let provided: Vec<_> = items(theirs, "content").filter(|part| says_something(part)).collect();
    for (at, part) in parts.enumerate() {
        // The module may have removed parts before it.
        let mut following = provided.iter().copied().skip(at).take(MOST_REMOVED);
        let is_same = |theirs: &&Value| kind_of(theirs) == kind_of(part) && text(theirs, "text") == text(part, "text");
        let at_place = || provided.get(at).copied().filter(|theirs| kind_of(theirs) == kind_of(part));
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
        forget_places(ours);
    }
    ITEM.keep(ours, theirs.clone());
}

/// Removes what points into a text that has changed.
fn forget_places(part: &mut Value) {
    for name in ["annotations", "logprobs"] {
        part.get_mut(name).into_iter().for_each(|list| *list = json!([]));
    }
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
    /// Whether all of it was written.
    pub(crate) is_written: bool,
    /// Whether the provider had sent all of it by then.
    pub(crate) is_kept: bool,
    /// The unknown fields of its events.
    events: WaitingFields,
    /// Unknown events that wait for its beginning.
    waiting: Vec<Value>,
    /// The whole item of the provider.
    done: Option<Value>,
    parts: ProvidedParts,
    /// The parts that were written, by their place.
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
        let (ours, is_written, is_kept, events, waiting, done, parts, written) = Default::default();
        Some(Self { theirs, ours, id, kind, call_id, is_written, is_kept, events, waiting, done, parts, written })
    }

    /// Whether this item of the answer that is written can stand for it.
    pub(crate) fn is(&self, ours: &Value) -> bool {
        is_item(ours, &self.kind, &self.call_id)
    }

    /// Whether it is a message that has said nothing so far, which is not written.
    pub(crate) fn is_silent(&self) -> bool {
        self.kind == "message" && !self.parts.say_something()
    }

    /// Whether the provider has sent all of it.
    pub(crate) fn is_done(&self) -> bool {
        self.done.is_some() || self.is_kept
    }

    fn is_read(&self) -> bool {
        READ.contains(&self.kind.as_str())
    }

    /// Reads an event of the provider. Returns one that stands for itself.
    pub(crate) fn read(&mut self, kind: &str, event: Value, room: &mut Room) -> Option<Value> {
        let part = self.parts.read(kind, &event, room);
        if kind == "response.output_item.done" && self.is_read() {
            self.done = event.get("item").cloned();
        }
        if is_known(kind) {
            self.keep_event(kind, part, event, room);
            return None;
        }
        if self.ours.is_none() {
            self.waiting.extend(room.take(&event).map(|_| event));
            return None;
        }
        Some(self.placed(event))
    }

    fn keep_event(&mut self, kind: &str, part: Option<u64>, event: Value, room: &mut Room) {
        let part = part.or_else(|| place_of(&event, "summary_index"));
        let mut unknown = ITEM.unknown(event);
        if !self.is_read() {
            // The module has seen the whole item.
            unknown.shift_remove("item");
        }
        if !unknown.is_empty() && !self.is_written {
            self.events.push(kind, part, unknown, room);
        }
    }

    /// An event of the provider, at the place of the item in the answer that is written.
    fn placed(&self, mut event: Value) -> Value {
        let part = place_of(&event, "content_index").map(|part| self.parts.ours(part));
        if let (Some(event), Some(place)) = (event.as_object_mut(), self.ours) {
            event.insert("output_index".to_owned(), place.into());
            part.into_iter().for_each(|part| drop(event.insert("content_index".to_owned(), part.into())));
        }
        event
    }

    /// The events to write for one of the gateway.
    pub(crate) fn write(&mut self, kind: &str, mut event: Value, room: &mut Room) -> Vec<Value> {
        self.name(&mut event);
        let ours = place_of(&event, "content_index").unwrap_or_default();
        let theirs = self.parts.theirs(ours);
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
                let logprobs = self.parts.write(theirs, text(&event, "delta"), room);
                let logprobs: Value = logprobs.iter().filter_map(Value::as_array).flatten().cloned().collect();
                set(&mut event, "logprobs", logprobs);
            }
            "response.output_text.annotation.added" if !self.parts.is_same(theirs) => return events,
            "response.output_text.done" => {
                if let Some(whole) = self.parts.whole(theirs).filter(|_| self.parts.is_same(theirs)) {
                    let logprobs = whole.get("logprobs").cloned().unwrap_or_else(|| json!([]));
                    set(&mut event, "logprobs", logprobs);
                }
            }
            "response.content_part.done" => {
                if let Some(part) = event.get_mut("part") {
                    match self.parts.whole(theirs) {
                        Some(theirs) => keep_part(part, theirs),
                        None if !self.parts.is_same(theirs) => forget_places(part),
                        None => {}
                    }
                    self.written.insert(ours, part.clone());
                }
            }
            "response.output_item.done" => {
                self.end(&mut event);
                if let (Some(theirs), Some(ours)) = (self.done.take(), event.get_mut("item")) {
                    self.is_kept = true;
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
            self.is_written = true;
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

    /// Puts the parts into the whole item as they were written.
    fn end(&mut self, event: &mut Value) {
        let content = event.get_mut("item").and_then(|item| item.get_mut("content")).and_then(Value::as_array_mut);
        for (place, part) in (0..).zip(content.into_iter().flatten()) {
            if let Some(written) = self.written.remove(&place) {
                *part = written;
            }
        }
    }

    /// The place, at the provider, of the part that an event which is written is about.
    fn part_of(&self, event: &Value) -> Option<u64> {
        let part = place_of(event, "content_index").map(|ours| self.parts.theirs(ours));
        part.or_else(|| place_of(event, "summary_index"))
    }

    fn add_unknown(&mut self, kind: &str, event: &mut Value, room: &mut Room) {
        ITEM.add(event, self.events.pop(kind, self.part_of(event), room));
    }

    /// The unknown fields of pieces that were not written, in pieces without a text, before the text is told as whole.
    fn rest_before(&mut self, kind: &str, event: &Value, room: &mut Room) -> Vec<Value> {
        let Some(kind) = kind.strip_suffix(".done").map(|kind| format!("{kind}.delta")) else { return Vec::new() };
        if event.get("item").is_some() || event.get("part").is_some() {
            return Vec::new();
        }
        let rest = self.events.take(&kind, self.part_of(event), room);
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

fn place_of(event: &Value, name: &str) -> Option<u64> {
    event.get(name).and_then(Value::as_u64)
}
