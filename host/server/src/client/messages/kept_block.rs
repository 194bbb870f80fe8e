//! What only the provider knows of a block of a streamed answer.

use serde_json::{Map, Value, json};

use crate::client::{
    kept::{Shape, text},
    sse,
    waiting::{Room, WaitingFields},
};

/// The deltas that come in pieces, and the field with the piece.
const TEXTS: [(&str, &str); 3] =
    [("text_delta", "text"), ("thinking_delta", "thinking"), ("input_json_delta", "partial_json")];

/// Blocks that modules see without their unknown fields until they end. Others they see as JSON.
const READ: [&str; 4] = ["text", "thinking", "redacted_thinking", "tool_use"];

/// Of the events about a block. A quote or a signature may hold what the module has removed.
const BLOCK: Shape = Shape {
    known: &[
        "type",
        "index",
        "id",
        "name",
        "text",
        "thinking",
        "signature",
        "data",
        "input",
        "partial_json",
        "citation",
        "citations",
    ],
    inside: &["content_block", "delta"],
};

/// A block of the provider.
pub(crate) struct KeptBlock {
    /// Its index at the provider.
    pub(crate) theirs: u64,
    /// Its index in the answer that is written, once it has begun there.
    pub(crate) ours: Option<u64>,
    kind: String,
    id: String,
    start: Map<String, Value>,
    /// The unknown fields of its deltas, by the type of the delta.
    deltas: WaitingFields,
    /// Unknown deltas that wait for its beginning.
    unknown: Vec<Value>,
    stop: Map<String, Value>,
    /// The text at the provider, and in the answer that is written.
    said: String,
    written: String,
    has_ended: bool,
}

impl KeptBlock {
    /// The block that this event begins.
    pub(crate) fn begin(event: Value) -> Option<Self> {
        let theirs = event.get("index").and_then(Value::as_u64)?;
        let block = event.get("content_block")?;
        let [kind, id, said] = ["type", "id", "text"].map(|name| text(block, name).to_owned());
        let start = if READ.contains(&kind.as_str()) { BLOCK.unknown(event) } else { Map::new() };
        let (deltas, unknown, stop, written, has_ended) = Default::default();
        Some(Self { theirs, ours: None, kind, id, start, deltas, unknown, stop, said, written, has_ended })
    }

    /// Whether this block of the answer that is written stands for it.
    pub(crate) fn is(&self, ours: &Value) -> bool {
        text(ours, "type") == self.kind && (self.id.is_empty() || text(ours, "id") == self.id)
    }

    /// Reads an event of the provider.
    pub(crate) fn read(&mut self, kind: &str, event: &Value, room: &mut Room, out: &mut Vec<u8>) {
        if kind == "content_block_stop" {
            self.stop = BLOCK.unknown(event.clone());
            return;
        }
        let delta = event.get("delta").unwrap_or(&Value::Null);
        let of = text(delta, "type");
        if of == "text_delta" {
            self.said.push_str(text(delta, "text"));
        }
        let is_known = ["citations_delta", "signature_delta"].contains(&of) || field_of(of).is_some();
        match (is_known, self.ours) {
            (true, _) => {
                let unknown = BLOCK.unknown(event.clone());
                if !unknown.is_empty() && !self.has_ended {
                    self.deltas.push(of, None, unknown, room);
                }
            }
            (false, _) if self.has_ended => {}
            (false, Some(index)) => write_at(index, event, out),
            (false, None) => self.unknown.extend(room.take(event).map(|_| event.clone())),
        }
    }

    /// Writes the beginning of the block.
    pub(crate) fn write_start(&mut self, event: &mut Value, out: &mut Vec<u8>) {
        BLOCK.add(event, std::mem::take(&mut self.start));
        sse::write("content_block_start", event, out);
        for event in std::mem::take(&mut self.unknown) {
            write_at(self.ours.unwrap_or_default(), &event, out);
        }
    }

    /// Writes another event of the block.
    pub(crate) fn write(&mut self, kind: &str, mut event: Value, room: &mut Room, out: &mut Vec<u8>) {
        if kind == "content_block_stop" {
            self.write_rest(room, out);
            self.has_ended = true;
            BLOCK.add(&mut event, std::mem::take(&mut self.stop));
            return sse::write(kind, &event, out);
        }
        let delta = event.get("delta").unwrap_or(&Value::Null);
        let of = text(delta, "type").to_owned();
        self.written.push_str(text(delta, "text"));
        if of == "citations_delta" && self.written != self.said {
            return;
        }
        BLOCK.add(&mut event, self.deltas.pop(&of, None, room));
        sse::write(kind, &event, out);
    }

    /// Writes the unknown fields of deltas that were not written, in deltas without a text.
    fn write_rest(&mut self, room: &mut Room, out: &mut Vec<u8>) {
        let index = self.ours.unwrap_or_default();
        for (kind, unknown) in self.deltas.take_all(room) {
            let Some(field) = field_of(&kind) else { continue };
            let mut event = json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, field: ""}});
            BLOCK.add(&mut event, unknown);
            sse::write("content_block_delta", &event, out);
        }
    }
}

fn field_of(kind: &str) -> Option<&'static str> {
    TEXTS.into_iter().find(|(known, _)| *known == kind).map(|(_, field)| field)
}

/// Writes an unknown delta of the block with this index.
fn write_at(index: u64, event: &Value, out: &mut Vec<u8>) {
    let mut event = event.clone();
    if let Some(event) = event.as_object_mut() {
        event.insert("index".to_owned(), index.into());
    }
    sse::write("content_block_delta", &event, out);
}
