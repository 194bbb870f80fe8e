//! What only the provider knows of an answer of this format that a module has rewritten.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{
    kept::{Keeper, Shape, adopt, items, text},
    messages::kept_block::KeptBlock,
    sse,
};

/// What names the answer. No module can change it.
const IDENTITY: [&str; 2] = ["id", "model"];

/// Of a message, and of the events that tell of one. The counts hold no text.
const MESSAGE: Shape = Shape {
    known: &["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "error"],
    inside: &["message", "delta", "usage", "cache_creation", "output_tokens_details"],
};

/// Adds to a whole answer what only its provider knows. Blocks are shown to modules with their unknown fields.
pub(crate) fn keep(ours: &mut Value, theirs: Value) {
    adopt(ours, &theirs, &IDENTITY);
    let is_same = |block: &Value| items(&theirs, "content").any(|other| text(other, "text") == text(block, "text"));
    for block in ours.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten() {
        if !is_same(block) {
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
}

impl Keeper for EventKeeper {
    fn read(&mut self, event: Value, out: &mut Vec<u8>) {
        let kind = text(&event, "type").to_owned();
        match kind.as_str() {
            "message_start" => self.start = event,
            "content_block_start" => self.blocks.extend(KeptBlock::begin(event)),
            "content_block_delta" | "content_block_stop" => {
                let index = event.get("index").and_then(Value::as_u64);
                let block = self.blocks.iter_mut().rev().find(|block| Some(block.theirs) == index);
                block.into_iter().for_each(|block| block.read(&kind, &event, out));
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
                let index = event.get("index").and_then(Value::as_u64);
                match self.blocks.iter_mut().find(|block| block.ours.is_some() && block.ours == index) {
                    Some(block) => block.write(&kind, event, out),
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
        let last = self.blocks.iter().rposition(|block| block.ours.is_some()).map_or(0, |at| at + 1);
        let index = event.get("index").and_then(Value::as_u64);
        match self.blocks.iter_mut().skip(last).find(|block| block.kind == kind) {
            Some(block) => {
                block.ours = index;
                block.write_start(event, out);
            }
            None => sse::write("content_block_start", event, out),
        }
    }
}
