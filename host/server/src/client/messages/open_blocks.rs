//! The blocks of a streamed answer, one after the other: a block begins when the one before it has ended. What comes of a
//! later block until then waits.

use std::{collections::VecDeque, io::Write as _};

use arcllm::ContentBlock;
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::messages::block::BlockJson;

/// What a block is.
pub(crate) enum Kind {
    Text,
    Thinking,
    /// A tool call: its number among the calls of the answer, its id and its name.
    Tool(usize, String, String),
    /// A block that comes whole.
    Whole(ContentBlock),
}

/// A block that has not ended.
pub(crate) struct OpenBlock {
    pub(crate) kind: Kind,
    /// What has come and is not written.
    waiting: String,
    /// Signatures and citations, which stand at the end.
    pub(crate) last: Vec<Value>,
    has_begun: bool,
    /// Whether any piece has come.
    pub(crate) has_pieces: bool,
    pub(crate) has_ended: bool,
}

/// The blocks that have not ended. The first of them is being written.
#[derive(Default)]
pub(crate) struct OpenBlocks {
    blocks: VecDeque<OpenBlock>,
    /// The index of the first.
    index: usize,
}

impl OpenBlocks {
    /// Whether no block has come yet.
    pub(crate) fn has_none(&self) -> bool {
        self.index == 0 && self.blocks.is_empty()
    }

    /// Adds a block behind the others. Returns its place.
    pub(crate) fn push(&mut self, kind: Kind) -> usize {
        let (waiting, last) = Default::default();
        let is_whole = matches!(kind, Kind::Whole(_));
        self.blocks.push_back(OpenBlock {
            kind,
            waiting,
            last,
            has_begun: false,
            has_pieces: false,
            has_ended: is_whole,
        });
        self.blocks.len() - 1
    }

    /// The last block, if it goes on.
    pub(crate) fn going_on(&self, is_it: impl Fn(&Kind) -> bool) -> Option<usize> {
        self.blocks.back().filter(|block| !block.has_ended && is_it(&block.kind)).map(|_| self.blocks.len() - 1)
    }

    /// The first block of this kind that goes on.
    pub(crate) fn find(&mut self, is_it: impl Fn(&Kind) -> bool) -> Option<&mut OpenBlock> {
        self.blocks.iter_mut().find(|block| !block.has_ended && is_it(&block.kind))
    }

    /// The last block, if it is a text.
    pub(crate) fn last_text(&mut self) -> Option<&mut OpenBlock> {
        self.blocks.back_mut().filter(|block| matches!(block.kind, Kind::Text))
    }

    /// The place of the tool call with this number.
    pub(crate) fn tool(&self, number: usize) -> Option<usize> {
        self.blocks.iter().position(|block| matches!(block.kind, Kind::Tool(of, ..) if of == number))
    }

    /// Adds a piece to the block at this place.
    pub(crate) fn add(&mut self, place: usize, piece: &str, out: &mut Vec<u8>) {
        let index = self.index;
        let Some(block) = self.blocks.get_mut(place) else { return };
        block.has_pieces = true;
        match place == 0 && block.has_begun {
            true => write_piece(index, &block.kind, piece, out),
            false => block.waiting.push_str(piece),
        }
    }

    /// Ends the block at this place.
    pub(crate) fn end(&mut self, place: usize) {
        if let Some(block) = self.blocks.get_mut(place) {
            block.has_ended = true;
        }
    }

    /// Writes what can be written now. A text stays open until something follows it: its citations may come late.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>) {
        loop {
            let follows = self.blocks.len() > 1;
            let index = self.index;
            let Some(block) = self.blocks.front_mut() else { return };
            block.begin(index, out);
            let has_ended = match block.kind {
                Kind::Text => follows,
                Kind::Thinking => follows || block.has_ended,
                Kind::Tool(..) | Kind::Whole(_) => block.has_ended,
            };
            if !has_ended {
                return;
            }
            self.close_first(out);
        }
    }

    /// Writes all that is left.
    pub(crate) fn write_all(&mut self, out: &mut Vec<u8>) {
        while let Some(block) = self.blocks.front_mut() {
            block.begin(self.index, out);
            self.close_first(out);
        }
    }

    fn close_first(&mut self, out: &mut Vec<u8>) {
        let Some(block) = self.blocks.pop_front() else { return };
        for delta in &block.last {
            let event = json!({"type": "content_block_delta", "index": self.index, "delta": delta});
            write_event("content_block_delta", &event, out);
        }
        let stop = json!({"type": "content_block_stop", "index": self.index});
        write_event("content_block_stop", &stop, out);
        self.index += 1;
    }
}

impl OpenBlock {
    /// Writes the beginning of the block and what has waited, if it has not begun.
    fn begin(&mut self, index: usize, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        match &self.kind {
            Kind::Text => begin(index, &json!({"type": "text", "text": ""}), out),
            Kind::Thinking => begin(index, &json!({"type": "thinking", "thinking": "", "signature": ""}), out),
            Kind::Tool(_, id, name) => {
                begin(index, &json!({"type": "tool_use", "id": id, "name": name, "input": {}}), out);
            }
            Kind::Whole(block) => begin_whole(index, block, out),
        }
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            write_piece(index, &self.kind, &waiting, out);
        }
    }
}

/// Writes a block that comes whole. Clients read texts, reasoning and inputs only from pieces.
fn begin_whole(index: usize, block: &ContentBlock, out: &mut Vec<u8>) {
    let mut json = serde_json::to_value(BlockJson { block, citations: &[] }).unwrap_or_default();
    let mut pieces = Vec::new();
    for (field, kind) in [("thinking", "thinking_delta"), ("signature", "signature_delta"), ("text", "text_delta")] {
        if let Some(value) = json.get_mut(field).filter(|value| value.is_string()) {
            pieces.push((kind, field, std::mem::replace(value, "".into())));
        }
    }
    let kind = json.get("type").and_then(Value::as_str);
    let is_call = kind.is_some_and(|kind| kind.ends_with("tool_use"));
    if let Some(input) = json.get_mut("input").filter(|input| is_call && input.is_object()) {
        pieces.push(("input_json_delta", "partial_json", std::mem::replace(input, json!({})).to_string().into()));
    }
    begin(index, &json, out);
    for (kind, field, piece) in pieces {
        if let Some(piece) = piece.as_str().filter(|piece| !piece.is_empty()) {
            write_delta(index, kind, field, piece, out);
        }
    }
}

fn begin(index: usize, block: &Value, out: &mut Vec<u8>) {
    let event = json!({"type": "content_block_start", "index": index, "content_block": block});
    write_event("content_block_start", &event, out);
}

fn write_piece(index: usize, kind: &Kind, piece: &str, out: &mut Vec<u8>) {
    match kind {
        Kind::Text => write_delta(index, "text_delta", "text", piece, out),
        Kind::Thinking => write_delta(index, "thinking_delta", "thinking", piece, out),
        Kind::Tool(..) => write_delta(index, "input_json_delta", "partial_json", piece, out),
        Kind::Whole(_) => {}
    }
}

/// Writes the most frequent event without making a tree. Writing to memory does not fail.
fn write_delta(index: usize, kind: &str, field: &str, piece: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
    let _ = write!(out, "{index},\"delta\":{{\"type\":\"{kind}\",\"{field}\":");
    let _ = serde_json::to_writer(&mut *out, piece);
    out.extend_from_slice(b"}}\n\n");
}

/// Writes an event with its name, which clients look at.
pub(crate) fn write_event(name: &str, event: &impl Serialize, out: &mut Vec<u8>) {
    let _ = write!(out, "event: {name}\ndata: ");
    let _ = serde_json::to_writer(&mut *out, event);
    out.extend_from_slice(b"\n\n");
}
