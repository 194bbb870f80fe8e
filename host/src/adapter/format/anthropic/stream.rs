//! Reads a streamed answer of Anthropic Messages: <https://docs.claude.com/en/docs/build-with-claude/streaming>.
//!
//! It collects the message that the answer would have been without streaming. At the end, the code for whole answers reads
//! that message.

use std::collections::{HashMap, VecDeque};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    adapter::format::{
        anthropic::{
            decode,
            streamed_block::{Piece, StreamedBlock},
        },
        ending,
        format::{EventReader, Progress},
        halves::JoinedText,
        json::{BLOCK, JsonNode, merge_counts},
        malformed::{Malformed, Unreadable},
        refusal,
        tree::{self, Keep, MemoryBudget},
    },
    chat::{content::ContentBlock, event::Event},
};

/// The fields of an event that are read.
const EVENT: Keep = Keep::Both(
    &Keep::Fields(&[
        ("index", Keep::All),
        ("message", MESSAGE),
        ("content_block", Keep::All),
        ("delta", DELTA),
        ("usage", Keep::All),
    ]),
    &refusal::FIELDS,
);

/// Without the content, which arrives in blocks.
const MESSAGE: Keep = Keep::Fields(&[
    ("type", Keep::All),
    ("id", Keep::All),
    ("model", Keep::All),
    ("stop_reason", Keep::All),
    ("stop_sequence", Keep::All),
    ("usage", Keep::All),
]);

const DELTA: Keep = Keep::Fields(&[
    ("type", Keep::All),
    ("text", Keep::All),
    ("thinking", Keep::All),
    ("partial_json", Keep::All),
    ("signature", Keep::All),
    ("citation", Keep::All),
    ("stop_reason", Keep::All),
    ("stop_sequence", Keep::All),
]);

/// A streamed answer as far as it has arrived.
pub(crate) struct AnthropicStream {
    /// For everything that is kept.
    budget: MemoryBudget,
    message: Map<String, Value>,
    blocks: Vec<StreamedBlock>,
    /// The place of the last block with each index.
    numbered: HashMap<u64, usize>,
    /// How many tool calls have begun.
    calls: usize,
    /// The place of a call that has ended with arguments that may be cut. The next event shows whether they are.
    doubtful: Option<usize>,
    has_begun: bool,
}

/// The most frequent event: a piece of content.
#[derive(Deserialize)]
struct PieceEvent<'a> {
    r#type: &'a str,
    index: u64,
    #[serde(borrow)]
    delta: PieceDelta<'a>,
}

#[derive(Deserialize)]
struct PieceDelta<'a> {
    r#type: &'a str,
    text: Option<String>,
    thinking: Option<String>,
    partial_json: Option<String>,
}

impl EventReader for AnthropicStream {
    fn read(&mut self, name: &str, data: &str, events: &mut VecDeque<Event>) -> Result<Progress, Unreadable> {
        // Gateways between the two formats send it.
        if ending::is_marker(data) {
            return self.end(events);
        }
        if let Some(event) = self.read_piece(data) {
            events.extend(event);
            return Ok(Progress::More);
        }
        let mut value = tree::read_event(data, &EVENT, &self.budget.renewed())?;
        let budget = self.budget.renewed();
        let event = JsonNode::root(&value, &budget);
        // Some servers say the type only in the name.
        let kind = event.text("type").unwrap_or(name).to_owned();
        self.has_begun |= kind.starts_with("message_") || kind.starts_with("content_block_");
        match &*kind {
            "message_start" => self.begin(&event, events)?,
            "content_block_start" => self.begin_block(&mut value, events)?,
            "content_block_delta" => self.add(&event, events)?,
            "content_block_stop" => {
                let at = self.find(&event)?;
                self.end_block(at, events)?;
            }
            "message_delta" => self.amend(&event, events)?,
            "message_stop" => return self.end(events),
            // Pings and unknown events: the documentation asks to ignore them.
            _ => refusal::refuse_errors(&event, decode::ANSWER)?,
        }
        Ok(Progress::More)
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// An answer that has said why it ended is complete. A proxy whose server broke off ends a stream without a reason.
    fn end(&mut self, events: &mut VecDeque<Event>) -> Result<Progress, Unreadable> {
        if self.stop_reason().is_none() {
            return Ok(Progress::CutShort);
        }
        for at in 0..self.blocks.len() {
            self.end_block(at, events)?;
        }
        self.settle(events)?;
        Ok(Progress::End)
    }

    fn body(&mut self) -> Value {
        let blocks = std::mem::take(&mut self.blocks).into_iter();
        let mut message = std::mem::take(&mut self.message);
        message.insert("content".to_owned(), blocks.map(|block| block.value).collect());
        message.into()
    }
}

impl AnthropicStream {
    /// A reader that has read nothing. What it keeps counts towards the budget.
    pub(crate) fn new(budget: MemoryBudget) -> Self {
        let (message, blocks, numbered, calls, doubtful) = Default::default();
        Self { budget, message, blocks, numbered, calls, doubtful, has_begun: false }
    }

    /// Reads a piece of content without making a tree. `None` if the event is something else.
    fn read_piece(&mut self, data: &str) -> Option<Option<Event>> {
        let event: PieceEvent<'_> = serde_json::from_str(data).ok()?;
        if event.r#type != "content_block_delta" {
            return None;
        }
        let at = *self.numbered.get(&event.index)?;
        let block = self.blocks.get_mut(at).filter(|block| !block.ended)?;
        let delta = event.delta;
        let piece = match (delta.r#type, delta.text, delta.thinking, delta.partial_json) {
            ("text_delta", Some(text), ..) => Piece::Text(text),
            ("thinking_delta", _, Some(text), _) => Piece::Thinking(text),
            ("input_json_delta", _, _, Some(json)) => Piece::Input(json),
            _ => return None,
        };
        Some(block.add(piece))
    }

    /// The server's word for why the answer ended.
    fn stop_reason(&self) -> Option<String> {
        let reason = Value::from_iter([("stop_reason", self.message.get("stop_reason")?.clone())]);
        ending::word(&JsonNode::root(&reason, &self.budget), "stop_reason")
    }

    fn begin(&mut self, event: &JsonNode<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let message = event.need("message")?;
        self.message = message.object()?.clone();
        self.budget.take_for(message.value)?;
        self.report_usage(events);
        Ok(())
    }

    fn report_usage(&self, events: &mut VecDeque<Event>) {
        if let Some(usage) = self.message.get("usage").filter(|usage| usage.is_object()) {
            events.push_back(Event::Usage(decode::counts(&JsonNode::root(usage, &self.budget))));
        }
    }

    fn begin_block(&mut self, event: &mut Value, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let budget = self.budget.renewed();
        let node = JsonNode::root(event, &budget);
        let begins = node.need("content_block")?;
        begins.object()?;
        self.settle(events)?;
        let index = node.count("index").unwrap_or(self.blocks.len() as u64);
        let mut call = None;
        let is_told = ["text", "thinking", "tool_use"].contains(&begins.text("type").unwrap_or_default());
        if begins.text("type") == Some("tool_use") {
            call = Some(self.calls);
            let id = decode::call_id(self.blocks.len(), &begins);
            let name = begins.need_name()?.to_owned();
            events.push_back(Event::ToolUseStart { index: self.calls, id, name });
            self.calls += 1;
        }
        self.budget.take(BLOCK)?;
        self.budget.take_for(begins.value)?;
        let mut value = event.get_mut("content_block").map(Value::take).unwrap_or_default();
        // Some servers send the whole content at the beginning. The end of the block puts it back.
        let mut take = |name| match value.get_mut(name) {
            Some(Value::String(text)) => std::mem::take(text),
            _ => String::new(),
        };
        let (text, thinking, signature) = (take("text"), take("thinking"), take("signature"));
        let (joined, input) = (JoinedText::default, JoinedText::default());
        let mut block =
            StreamedBlock { value, text: joined(), thinking: joined(), signature, input, call, ended: false, is_told };
        events.extend([Piece::Text(text), Piece::Thinking(thinking)].into_iter().filter_map(|piece| block.add(piece)));
        self.numbered.insert(index, self.blocks.len());
        self.blocks.push(block);
        Ok(())
    }

    /// Adds a piece, a signature or a citation to its block.
    fn add(&mut self, event: &JsonNode<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let delta = event.need("delta")?;
        let at = self.find(event)?;
        let Some(block) = self.blocks.get_mut(at).filter(|block| !block.ended) else { return Ok(()) };
        let piece = |name| delta.text(name).unwrap_or_default().to_owned();
        match delta.text("type") {
            Some("text_delta") => events.extend(block.add(Piece::Text(piece("text")))),
            Some("thinking_delta") => events.extend(block.add(Piece::Thinking(piece("thinking")))),
            Some("input_json_delta") => events.extend(block.add(Piece::Input(piece("partial_json")))),
            Some("signature_delta") => block.signature.push_str(delta.text("signature").unwrap_or_default()),
            Some("citations_delta") => {
                let citation = delta.need("citation")?.value.clone();
                self.budget.take(2 * size_of::<Value>())?;
                self.budget.take_for(&citation)?;
                if let Some(fields) = block.value.as_object_mut() {
                    match fields.get_mut("citations").and_then(Value::as_array_mut) {
                        Some(citations) => citations.push(citation),
                        None => drop(fields.insert("citations".to_owned(), json!([citation]))),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn find(&self, event: &JsonNode<'_>) -> Result<usize, Malformed> {
        // Blocks come one after the other, so a server may leave the index out.
        let Some(index) = event.count("index") else {
            return self.blocks.len().checked_sub(1).ok_or_else(|| event.malformed("has no `index`"));
        };
        let at = self.numbered.get(&index).copied();
        at.ok_or_else(|| event.malformed(&format!("is about block {index}, which has not begun")))
    }

    fn end_block(&mut self, at: usize, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let Some(block) = self.blocks.get_mut(at).filter(|block| !block.ended) else { return Ok(()) };
        block.ended = true;
        events.extend(block.end_texts());
        block.complete(&self.budget)?;
        self.settle(events)?;
        match self
            .blocks
            .get(at)
            .is_some_and(|block| decode::partial(at, &JsonNode::root(&block.value, &self.budget)).is_some())
        {
            true => self.doubtful = Some(at),
            false => self.report(at, false, events)?,
        }
        Ok(())
    }

    /// Reports a doubtful call, now that the next event or the end of the answer shows whether it was cut.
    fn settle(&mut self, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let is_cut = self.doubtful.is_some() && self.stop_reason().is_some_and(|reason| ending::cuts(&reason));
        match self.doubtful.take() {
            Some(at) => self.report(at, is_cut, events),
            None => Ok(()),
        }
    }

    /// Reports a whole block.
    fn report(&self, at: usize, is_cut: bool, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let Some(block) = self.blocks.get(at) else { return Ok(()) };
        let node = JsonNode::root(&block.value, &self.budget);
        let whole = match is_cut.then(|| decode::partial(at, &node)).flatten() {
            Some(partial) => partial,
            None => decode::block(at, &node)?,
        };
        events.push_back(match whole {
            ContentBlock::ToolUse(call) => Event::ToolUseEnd { index: block.call.unwrap_or_default(), call },
            whole => Event::Block(whole),
        });
        Ok(())
    }

    /// Reads why the answer ends, and the counts so far.
    fn amend(&mut self, event: &JsonNode<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let fields = |name| event.value.get(name).and_then(Value::as_object);
        for (name, value) in fields("delta").into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            self.message.insert(name.clone(), value.clone());
        }
        if let Some(reason) = self.stop_reason() {
            refusal::refuse_ending(&reason)?;
            self.settle(events)?;
        }
        let usage = self.message.entry("usage").or_insert(Value::Null);
        if usage.is_null() {
            *usage = json!({});
        }
        if let (Some(usage), Some(counted)) = (usage.as_object_mut(), fields("usage")) {
            merge_counts(usage, counted, &self.budget)?;
        }
        self.report_usage(events);
        Ok(())
    }
}
