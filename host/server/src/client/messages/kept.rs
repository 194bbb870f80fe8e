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
        let index = event.get("index").and_then(Value::as_u64);
        let mut next = self.blocks.iter_mut().enumerate().skip(self.next).take(MOST_REMOVED);
        match next.find(|(_, block)| event.get("content_block").is_some_and(|ours| block.is(ours))).zip(index) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn start(index: u64, kind: &str) -> Value {
        json!({"type": "content_block_start", "index": index, "content_block": {"type": kind, "zz": index}})
    }

    fn stop(index: u64) -> Value {
        json!({"type": "content_block_stop", "index": index, "zz_stop": index})
    }

    fn delta(index: u64, delta: Value) -> Value {
        json!({"type": "content_block_delta", "index": index, "delta": delta})
    }

    #[test]
    fn nothing_comes_back_of_a_block_that_the_module_has_removed() {
        let (mut keeper, mut out) = (EventKeeper::default(), Vec::new());
        let new = json!({"type": "new_delta", "of": 0});
        for event in
            [start(0, "thinking"), delta(0, new), stop(0), start(1, "tool_use"), stop(1), start(2, "text"), stop(2)]
        {
            keeper.read("", event, &mut out);
        }
        assert!(out.is_empty());
        for event in [start(0, "text"), delta(0, json!({"type": "text_delta", "text": "Hi"})), stop(0)] {
            let mut event = event;
            event["content_block"].as_object_mut().map(|block| block.shift_remove("zz"));
            event.as_object_mut().map(|event| event.shift_remove("zz_stop"));
            keeper.write(event, &mut out);
        }
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("\"zz\":2") && out.contains("\"zz_stop\":2"), "{out}");
        assert_eq!((out.matches("zz").count(), out.contains("new_delta")), (2, false), "{out}");
    }

    #[test]
    fn deltas_that_were_joined_leave_their_fields_and_unknown_ones_their_place() {
        let (mut keeper, mut out) = (EventKeeper::default(), Vec::new());
        keeper.read("", start(4, "text"), &mut out);
        for number in 0..3 {
            let mut piece = delta(4, json!({"type": "text_delta", "text": "a"}));
            piece["zz_piece"] = number.into();
            keeper.read("", piece, &mut out);
        }
        keeper.read("", delta(4, json!({"type": "new_delta"})), &mut out);
        let begun = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
        let said = delta(0, json!({"type": "text_delta", "text": "aaa"}));
        for event in [begun, said, json!({"type": "content_block_stop", "index": 0})] {
            keeper.write(event, &mut out);
        }
        let out = String::from_utf8(out).unwrap();
        let events: Vec<Value> =
            out.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
        let texts: Vec<_> = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
        let pieces: Vec<_> = events.iter().filter_map(|event| event["zz_piece"].as_u64()).collect();
        assert_eq!((texts, pieces), (vec!["aaa", "", ""], vec![0, 1, 2]), "{out}");
        assert!(events.iter().all(|event| event["index"] == 0), "{out}");
        assert_eq!(events.get(1).map(|event| &event["delta"]["type"]), Some(&json!("new_delta")));
    }

    #[test]
    fn odd_events_do_no_harm() {
        let (mut keeper, mut out) = (EventKeeper::default(), Vec::new());
        for event in [json!({}), json!({"type": 1}), stop(9), delta(9, Value::Null), json!({"type": "message_delta"})] {
            keeper.read("", event.clone(), &mut out);
            keeper.write(event, &mut out);
        }
    }
}
