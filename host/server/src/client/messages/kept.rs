//! What only the provider knows of an answer of this format that a module has rewritten.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

use crate::client::{
    kept::{Keeper, Shape, adopt, items, kind, text},
    messages::kept_block::KeptBlock,
    sse,
    waiting::Room,
};

/// What names the answer. No module can change it.
const IDENTITY: [&str; 2] = ["id", "model"];

/// How many blocks in a row a module may remove. Behind more, the unknown fields of a block are lost.
const MOST_REMOVED: usize = 64;

/// Of a message, and of the events that tell of one. The counts hold no text.
const MESSAGE: Shape = Shape {
    known: &["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "error"],
    inside: &["message", "delta", "usage", "cache_creation", "output_tokens_details"],
};

/// Adds to a whole answer what only its provider knows. Blocks are shown to modules with their unknown fields.
pub(crate) fn keep(ours: &mut Value, theirs: Value) {
    adopt(ours, &theirs, &IDENTITY);
    let provided: HashSet<&str> = items(&theirs, "content").map(|block| text(block, "text")).collect();
    for block in ours.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten() {
        if !provided.contains(text(block, "text")) {
            forget_places(block);
        }
    }
    MESSAGE.keep(ours, theirs);
}

/// Removes what points into a text that has changed.
fn forget_places(block: &mut Value) {
    if let Some(block) = block.as_object_mut() {
        block.shift_remove("citations");
    }
}

/// Adds to the events of an answer what only its provider knows.
#[derive(Default)]
pub(crate) struct EventKeeper {
    start: Value,
    has_begun: bool,
    /// The unknown fields of the events that end the message.
    ending: BTreeMap<String, Value>,
    /// Unknown events that came before the message had begun.
    waiting: Vec<Value>,
    blocks: Vec<KeptBlock>,
    /// The places of the provider's blocks in `blocks`, by their indexes at the provider and in the answer that is written.
    theirs: HashMap<u64, usize>,
    ours: HashMap<u64, usize>,
    /// The place of the first block that may begin next.
    next: usize,
    room: Room,
}

impl Keeper for EventKeeper {
    fn read(&mut self, name: &str, event: Value, out: &mut Vec<u8>) {
        let kind = kind(name, &event);
        match kind.as_str() {
            "message_start" => self.start = event,
            "content_block_start" => {
                if let Some(block) = KeptBlock::begin(event) {
                    self.theirs.insert(block.theirs, self.blocks.len());
                    self.blocks.push(block);
                }
            }
            "content_block_delta" | "content_block_stop" => {
                let at = event.get("index").and_then(Value::as_u64).and_then(|index| self.theirs.get(&index));
                if let Some(block) = at.and_then(|at| self.blocks.get_mut(*at)) {
                    block.read(&kind, &event, &mut self.room, out);
                }
            }
            "message_delta" | "message_stop" => {
                let known = self.ending.entry(kind).or_insert_with(|| json!({}));
                MESSAGE.keep(known, event);
            }
            "ping" | "error" => {}
            _ if self.has_begun => sse::write(&kind, &event, out),
            _ => self.waiting.push(event),
        }
    }

    fn write(&mut self, mut event: Value, out: &mut Vec<u8>) {
        let kind = text(&event, "type").to_owned();
        match kind.as_str() {
            "message_start" => {
                let theirs = std::mem::take(&mut self.start);
                if let (Some(ours), Some(theirs)) = (event.get_mut("message"), theirs.get("message")) {
                    adopt(ours, theirs, &IDENTITY);
                }
                MESSAGE.keep(&mut event, theirs);
                sse::write(&kind, &event, out);
                self.has_begun = true;
                self.waiting.drain(..).for_each(|event| sse::write(text(&event, "type"), &event, out));
            }
            "content_block_start" => self.begin_block(&mut event, out),
            "content_block_delta" | "content_block_stop" => {
                let at = event.get("index").and_then(Value::as_u64).and_then(|index| self.ours.get(&index));
                match at.and_then(|at| self.blocks.get_mut(*at)) {
                    Some(block) => block.write(&kind, event, &mut self.room, out),
                    None => sse::write(&kind, &event, out),
                }
            }
            _ => {
                MESSAGE.keep(&mut event, self.ending.remove(&kind).unwrap_or_default());
                sse::write(&kind, &event, out);
            }
        }
    }
}

impl EventKeeper {
    /// Finds the provider's block for one that begins. Those before it are ones that the module has removed.
    fn begin_block(&mut self, event: &mut Value, out: &mut Vec<u8>) {
        let kind = event.get("content_block").map(|block| text(block, "type").to_owned()).unwrap_or_default();
        let index = event.get("index").and_then(Value::as_u64);
        let mut next = self.blocks.iter_mut().enumerate().skip(self.next).take(MOST_REMOVED);
        match next.find(|(_, block)| block.kind == kind).zip(index) {
            Some(((at, block), index)) => {
                block.ours = Some(index);
                self.ours.insert(index, at);
                self.next = at + 1;
                block.write_start(event, out);
            }
            None => sse::write("content_block_start", event, out),
        }
    }
}
