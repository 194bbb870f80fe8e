//! A streamed answer of Anthropic Messages: <https://docs.claude.com/en/docs/build-with-claude/streaming>.
//!
//! Its events are put together to the message that an answer without streaming would have been, which the same code
//! reads.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    adapter::format::{
        anthropic::{block::Block, decode},
        format::{Heard, Listen, Unreadable},
        json::{BLOCK, MOST_COUNTS, Node},
        malformed::Malformed,
        template::Template,
        tree::{self, Keep, Room, Unfit},
    },
    chat::{content::ContentBlock, event::Event},
};

/// What is read of an event.
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

/// Its content comes in blocks.
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

/// What has been heard.
pub(crate) struct Stream {
    /// For what is kept.
    room: Room,
    message: Map<String, Value>,
    blocks: Vec<Block>,
    /// The last block of each number.
    numbered: HashMap<u64, usize>,
    calls: usize,
    /// A call that has ended with arguments that may have been cut: whether they were is told by what comes next.
    doubtful: Option<usize>,
    /// A piece of the text at this place.
    piece: Template,
    piece_of: usize,
}

/// The event of which there are many.
#[derive(Deserialize)]
struct ContentBlockDelta<'a> {
    r#type: &'a str,
    index: u64,
    #[serde(borrow)]
    delta: Delta<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    thinking: Option<String>,
    partial_json: Option<String>,
}

impl Listen for Stream {
    fn hear(&mut self, data: &str, events: &mut VecDeque<Event>) -> Result<Heard, Unreadable> {
        if let Some(event) = self.hear_piece(data) {
            events.extend(event);
            return Ok(Heard::More);
        }
        let mut value = tree::read(data.as_bytes(), &EVENT, &self.room.anew()).map_err(unfit)?;
        let room = self.room.anew();
        let event = Node::root(&value, &room);
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
                // Whoever is cut off by their own server may say so, too, but not why they stopped.
                if !self.message.get("stop_reason").is_some_and(Value::is_string) {
                    return Ok(Heard::Short);
                }
                for at in 0..self.blocks.len() {
                    self.end_block(at, events)?;
                }
                self.settle(events)?;
                return Ok(Heard::End);
            }
            // Pings, and whatever will be added: the documentation asks to pass over what is not known.
            _ => decode::refuse_errors(&event)?,
        }
        Ok(Heard::More)
    }

    fn body(&mut self) -> Value {
        let blocks = std::mem::take(&mut self.blocks).into_iter();
        let mut message = std::mem::take(&mut self.message);
        message.insert("content".to_owned(), blocks.map(|block| block.value).collect());
        message.into()
    }
}

fn unfit(unfit: Unfit) -> Malformed {
    match unfit {
        Unfit::NotJson(error) => Malformed(format!("an event is not JSON: {error}")),
        Unfit::TooLarge(malformed) => malformed,
    }
}

impl Stream {
    /// Nothing has been heard. What is kept has to find room.
    pub(crate) fn new(room: Room) -> Self {
        let (message, blocks, numbered, calls, doubtful, piece, piece_of) = Default::default();
        Self { room, message, blocks, numbered, calls, doubtful, piece, piece_of }
    }

    /// A piece of text, of reasoning or of arguments, without making a tree of it. None if it is anything else.
    fn hear_piece(&mut self, data: &str) -> Option<Option<Event>> {
        if let (Some(text), Some(block)) = (self.piece.text(data), self.blocks.get_mut(self.piece_of)) {
            block.text.push_str(text);
            return Some(Some(Event::Text(text.to_owned())).filter(says_something));
        }
        let event: ContentBlockDelta<'_> = serde_json::from_str(data).ok()?;
        if event.r#type != "content_block_delta" {
            return None;
        }
        let at = *self.numbered.get(&event.index)?;
        let block = self.blocks.get_mut(at).filter(|block| !block.ended)?;
        let delta = event.delta;
        Some(match (delta.r#type, delta.text, delta.thinking, delta.partial_json, block.call) {
            ("text_delta", Some(text), ..) => {
                block.text.push_str(&text);
                self.piece.learn(data, &text);
                self.piece_of = at;
                Some(Event::Text(text.into_owned())).filter(says_something)
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

    fn begin(&mut self, event: &Node<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let message = event.need("message")?;
        self.message = message.object()?.clone();
        self.room.take_for(message.value)?;
        self.say_usage(events);
        Ok(())
    }

    fn say_usage(&self, events: &mut VecDeque<Event>) {
        if let Some(usage) = self.message.get("usage").filter(|usage| usage.is_object()) {
            events.push_back(Event::Usage(decode::counts(&Node::root(usage, &self.room))));
        }
    }

    fn begin_block(&mut self, event: &mut Value, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let room = self.room.anew();
        let node = Node::root(event, &room);
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
        self.room.take(BLOCK)?;
        self.room.take_for(begins.value)?;
        let mut value = event.get_mut("content_block").map(Value::take).unwrap_or_default();
        // Some servers say all of a block where it begins. It is put back at the block's end.
        let mut take = |name| match value.get_mut(name) {
            Some(Value::String(text)) => std::mem::take(text),
            _ => String::new(),
        };
        let (text, thinking, signature) = (take("text"), take("thinking"), take("signature"));
        let pieces = [Event::Text(text.clone()), Event::Thinking(thinking.clone())];
        events.extend(pieces.into_iter().filter(says_something));
        self.numbered.insert(index, self.blocks.len());
        self.blocks.push(Block { value, text, thinking, signature, input: String::new(), call, ended: false });
        Ok(())
    }

    /// A piece that is not for reading: a signature, a citation.
    fn add(&mut self, event: &Node<'_>) -> Result<(), Unreadable> {
        let delta = event.need("delta")?;
        let at = self.find(event)?;
        let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
        match delta.text("type") {
            Some("signature_delta") => block.signature.push_str(delta.text("signature").unwrap_or_default()),
            Some("citations_delta") => {
                let citation = delta.need("citation")?.value.clone();
                self.room.take(2 * size_of::<Value>())?;
                self.room.take_for(&citation)?;
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

    fn find(&self, event: &Node<'_>) -> Result<usize, Malformed> {
        let index = event.count("index").ok_or_else(|| event.malformed("has no `index`"))?;
        let at = self.numbered.get(&index).copied();
        at.ok_or_else(|| event.malformed(&format!("is about block {index}, which has not begun")))
    }

    fn end_block(&mut self, at: usize, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let Some(block) = self.blocks.get_mut(at).filter(|block| !block.ended) else { return Ok(()) };
        block.ended = true;
        block.complete(&self.room)?;
        self.piece.forget();
        self.settle(events)?;
        match self
            .blocks
            .get(at)
            .is_some_and(|block| decode::partial(at, &Node::root(&block.value, &self.room)).is_some())
        {
            true => self.doubtful = Some(at),
            false => self.tell(at, false, events)?,
        }
        Ok(())
    }

    /// Tells of a call that was doubtful, now that it is known why the answer ends, or that it goes on.
    fn settle(&mut self, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let is_cut = self.message.get("stop_reason").is_some_and(|reason| reason == decode::CUT);
        match self.doubtful.take() {
            Some(at) => self.tell(at, is_cut, events),
            None => Ok(()),
        }
    }

    /// Tells of a block as a whole.
    fn tell(&self, at: usize, is_cut: bool, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let Some(block) = self.blocks.get(at) else { return Ok(()) };
        let node = Node::root(&block.value, &self.room);
        let whole = match is_cut.then(|| decode::partial(at, &node)).flatten() {
            Some(partial) => partial,
            None => decode::block(at, &node)?,
        };
        events.push_back(match whole {
            ContentBlock::ToolUse(call) => Event::ToolUseEnd { index: block.call.unwrap_or_default(), call },
            // An empty text is one of an answer without streaming, too.
            whole => Event::Block(whole),
        });
        Ok(())
    }

    /// How it ends, and what it has cost so far.
    fn amend(&mut self, event: &Node<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
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
                // Each count is of the whole answer so far, not of what is new.
                let before = usage.get(name);
                if before.is_some() || usage.len() < MOST_COUNTS {
                    self.room.take_for_instead(value, before)?;
                    usage.insert(name.clone(), value.clone());
                }
            }
        }
        self.say_usage(events);
        Ok(())
    }
}

fn says_something(event: &Event) -> bool {
    match event {
        Event::Text(piece) | Event::Thinking(piece) | Event::ToolArguments { json: piece, .. } => !piece.is_empty(),
        _ => true,
    }
}
