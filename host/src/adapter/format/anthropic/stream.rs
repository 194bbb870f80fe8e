//! Reads a streamed answer of Anthropic Messages: <https://docs.claude.com/en/docs/build-with-claude/streaming>.
//!
//! It collects the message that the answer would have been without streaming. At the end, the code for whole answers reads
//! that message.

use std::collections::{HashMap, VecDeque};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    adapter::format::{
        anthropic::{decode, streamed_block::StreamedBlock},
        format::{EventReader, Progress, Unreadable},
        json::{BLOCK, JsonNode, MOST_COUNTS},
        malformed::Malformed,
        tree::{self, Keep, MemoryBudget, TreeError},
    },
    chat::{content::ContentBlock, event::Event},
};

/// The fields of an event that are read.
const EVENT: Keep = Keep::Fields(&[
    ("type", Keep::All),
    ("index", Keep::All),
    ("message", MESSAGE),
    ("content_block", Keep::All),
    ("delta", DELTA),
    ("usage", Keep::All),
    ("error", Keep::All),
    ("request_id", Keep::All),
]);

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
    fn read(&mut self, data: &str, events: &mut VecDeque<Event>) -> Result<Progress, Unreadable> {
        if let Some(event) = self.read_piece(data) {
            events.extend(event);
            return Ok(Progress::More);
        }
        let mut value = tree::read(data.as_bytes(), &EVENT, &self.budget.renewed()).map_err(TreeError::in_event)?;
        let budget = self.budget.renewed();
        let event = JsonNode::root(&value, &budget);
        match event.text("type") {
            Some("message_start") => self.begin(&event, events)?,
            Some("content_block_start") => self.begin_block(&mut value, events)?,
            Some("content_block_delta") => self.add(&event)?,
            Some("content_block_stop") => {
                let at = self.find(&event)?;
                self.end_block(at, events)?;
            }
            Some("message_delta") => self.amend(&event, events)?,
            Some("message_stop") => {
                // A proxy whose server broke off may send this too, but without a reason.
                if !self.message.get("stop_reason").is_some_and(Value::is_string) {
                    return Ok(Progress::CutShort);
                }
                for at in 0..self.blocks.len() {
                    self.end_block(at, events)?;
                }
                self.settle(events)?;
                return Ok(Progress::End);
            }
            // Pings and unknown events: the documentation asks to ignore them.
            _ => decode::refuse_errors(&event)?,
        }
        Ok(Progress::More)
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
        Self { budget, message, blocks, numbered, calls, doubtful }
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
        Some(match (delta.r#type, delta.text, delta.thinking, delta.partial_json, block.call) {
            ("text_delta", Some(text), ..) => {
                block.text.push_str(&text);
                Some(Event::Text(text)).filter(says_something)
            }
            ("thinking_delta", _, Some(text), ..) => {
                block.thinking.push_str(&text);
                Some(Event::Thinking(text)).filter(says_something)
            }
            ("input_json_delta", _, _, Some(json), call) => {
                block.input.push_str(&json);
                call.map(|index| Event::ToolArguments { index, json }).filter(says_something)
            }
            _ => return None,
        })
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
        if begins.text("type") == Some("tool_use") {
            call = Some(self.calls);
            let id = decode::call_id(self.blocks.len(), &begins);
            let name = begins.need("name")?.str()?.to_owned();
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
        let pieces = [Event::Text(text.clone()), Event::Thinking(thinking.clone())];
        events.extend(pieces.into_iter().filter(says_something));
        self.numbered.insert(index, self.blocks.len());
        self.blocks.push(StreamedBlock { value, text, thinking, signature, input: String::new(), call, ended: false });
        Ok(())
    }

    /// Adds a signature or a citation to its block.
    fn add(&mut self, event: &JsonNode<'_>) -> Result<(), Unreadable> {
        let delta = event.need("delta")?;
        let at = self.find(event)?;
        let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
        match delta.text("type") {
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
        let index = event.count("index").ok_or_else(|| event.malformed("has no `index`"))?;
        let at = self.numbered.get(&index).copied();
        at.ok_or_else(|| event.malformed(&format!("is about block {index}, which has not begun")))
    }

    fn end_block(&mut self, at: usize, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let Some(block) = self.blocks.get_mut(at).filter(|block| !block.ended) else { return Ok(()) };
        block.ended = true;
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
        let is_cut = self.message.get("stop_reason").is_some_and(|reason| reason == decode::CUT);
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
        for (name, value) in fields("delta").into_iter().flatten() {
            self.message.insert(name.clone(), value.clone());
        }
        if self.message.get("stop_reason").is_some_and(Value::is_string) {
            self.settle(events)?;
        }
        let usage = self.message.entry("usage").or_insert_with(|| json!({}));
        let counted = fields("usage").into_iter().flatten().filter(|(_, value)| !value.is_null());
        if let Some(usage) = usage.as_object_mut() {
            for (name, value) in counted {
                // Each count is for the whole answer so far.
                let before = usage.get(name);
                if before.is_some() || usage.len() < MOST_COUNTS {
                    self.budget.take_for_instead(value, before)?;
                    usage.insert(name.clone(), value.clone());
                }
            }
        }
        self.report_usage(events);
        Ok(())
    }
}

fn says_something(event: &Event) -> bool {
    match event {
        Event::Text(piece) | Event::Thinking(piece) | Event::ToolArguments { json: piece, .. } => !piece.is_empty(),
        _ => true,
    }
}
