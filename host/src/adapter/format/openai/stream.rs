//! A streamed answer of OpenAI Chat Completions:
//! <https://platform.openai.com/docs/api-reference/chat-streaming>.
//!
//! Its chunks are put together to the completion that an answer without streaming would have been, which the same code
//! reads.

use std::{borrow::Cow, collections::VecDeque};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        format::{Heard, Listen, Unreadable},
        json::{BLOCK, Node},
        malformed::Malformed,
        openai::{calls::Calls, decode, refusal},
        template::Template,
        tree::{self, Keep, Room, Unfit},
    },
    chat::{content::ContentBlock, event::Event},
};

/// What stands at the end of a stream.
const DONE: &str = "[DONE]";

/// What is read of a chunk.
const CHUNK: Keep = Keep::Fields(&[
    ("id", Keep::All),
    ("object", Keep::All),
    ("model", Keep::All),
    ("choices", Keep::Each(&decode::CHOICE)),
    ("usage", Keep::All),
    ("x_groq", Keep::Fields(&[("usage", Keep::All)])),
    ("request_id", Keep::All),
    ("error", Keep::All),
    ("error_type", Keep::All),
    ("message", Keep::All),
    ("detail", Keep::All),
    ("type", Keep::All),
    ("code", Keep::All),
    ("status", Keep::All),
    ("status_code", Keep::All),
]);

/// What has been heard.
pub(crate) struct Stream {
    /// For what is kept.
    room: Room,
    /// The fields of the first chunk, and the usage.
    root: Option<Map<String, Value>>,
    reasoning: Text,
    content: Text,
    refusal: Text,
    /// Parts of the content that are no text.
    parts: Vec<Value>,
    calls: Calls,
    finish_reason: Option<Value>,
    /// A chunk that is a piece of text.
    piece: Template,
}

/// Text that comes in pieces.
#[derive(Default)]
struct Text {
    text: String,
    /// How much of it was told as a whole.
    told: usize,
}

/// The chunk of which there are many: a piece of text and nothing else.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: [Choice<'a>; 1],
    error: Option<IgnoredAny>,
    usage: Option<IgnoredAny>,
    x_groq: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    delta: Delta<'a>,
    finish_reason: Option<&'a str>,
    error: Option<IgnoredAny>,
    usage: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(rename = "role")]
    _role: Option<IgnoredAny>,
}

impl Listen for Stream {
    fn hear(&mut self, data: &str, events: &mut VecDeque<Event>) -> Result<Heard, Unreadable> {
        if data.trim() == DONE {
            return self.end(events);
        }
        if let Some(piece) = self.hear_piece(data) {
            self.say(piece, events);
            return Ok(Heard::More);
        }
        let room = self.room.anew();
        let value = tree::read(data.as_bytes(), &CHUNK, &room).map_err(|unfit| match unfit {
            Unfit::NotJson(error) => Malformed(format!("an event is not JSON: {error}")),
            Unfit::TooLarge(malformed) => malformed,
        })?;
        let chunk = Node::root(&value, &room);
        let fields = chunk.object()?;
        refusal::refuse_errors(&chunk)?;
        if self.root.is_none() {
            let kept = fields.iter().filter(|(name, _)| *name != "usage" && *name != "choices");
            self.root = Some(kept.map(|(name, value)| (name.clone(), value.clone())).collect());
            self.room.take_for(&value)?;
        }
        let choices = chunk.get("choices").map(|choices| choices.list()).transpose()?;
        // Only the first answer is read where several were asked for.
        let choice = choices.into_iter().flatten().find(|choice| choice.count("index").unwrap_or_default() == 0);
        if let Some(choice) = &choice {
            refusal::refuse_error_of_choice(choice)?;
            self.hear_choice(choice, events)?;
        }
        self.count(&chunk, choice.as_ref(), events);
        Ok(Heard::More)
    }

    fn body(&mut self) -> Value {
        let text = |text: &mut Text| match std::mem::take(&mut text.text) {
            text if text.is_empty() => Value::Null,
            text => text.into(),
        };
        let mut message = Map::new();
        message.insert("reasoning_content".to_owned(), text(&mut self.reasoning));
        message.insert("refusal".to_owned(), text(&mut self.refusal));
        let mut content = text(&mut self.content);
        if !self.parts.is_empty() {
            let said = Some(content).filter(Value::is_string);
            let said = said.map(|text| Map::from_iter([("type".into(), "text".into()), ("text".into(), text)]).into());
            content = said.into_iter().chain(std::mem::take(&mut self.parts)).collect();
        }
        message.insert("content".to_owned(), content);
        let calls: Vec<Value> = std::mem::take(&mut self.calls).values().collect();
        if !calls.is_empty() {
            message.insert("tool_calls".to_owned(), calls.into());
        }
        let finish_reason = self.finish_reason.take().unwrap_or_default();
        let choice = Map::from_iter([("message".into(), message.into()), ("finish_reason".into(), finish_reason)]);
        let mut body = self.root.take().unwrap_or_default();
        body.insert("choices".to_owned(), Value::Array(vec![choice.into()]));
        body.into()
    }
}

impl Stream {
    /// Nothing has been heard. What is kept has to find room.
    pub(crate) fn new(room: Room) -> Self {
        let (root, reasoning, content, refusal, parts, calls, finish_reason, piece) = Default::default();
        Self { room, root, reasoning, content, refusal, parts, calls, finish_reason, piece }
    }

    /// A piece of text, without making a tree of its chunk. None if it is anything else.
    fn hear_piece(&mut self, data: &str) -> Option<String> {
        if let Some(piece) = self.piece.text(data) {
            return Some(piece.to_owned());
        }
        let Chunk { choices: [choice], error: None, usage: None, x_groq: None } = serde_json::from_str(data).ok()?
        else {
            return None;
        };
        let Choice { index: 0, delta, finish_reason: None, error: None, usage: None } = choice else { return None };
        // The first one also tells who answers.
        self.root.as_ref()?;
        self.piece.learn(data, &delta.content);
        Some(delta.content.into_owned())
    }

    fn say(&mut self, piece: String, events: &mut VecDeque<Event>) {
        if !piece.is_empty() {
            self.reasoning.whole(decode::thinking, events);
            self.content.text.push_str(&piece);
            events.push_back(Event::Text(piece));
        }
    }

    fn hear_choice(&mut self, choice: &Node<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        // Some servers send the last of it as a message.
        if let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) {
            delta.object()?;
            self.hear_delta(&delta, events)?;
        }
        if let Some(reason) = choice.text("finish_reason") {
            self.finish_reason = Some(reason.into());
            self.end_texts(events);
            self.end_calls(events)?;
        }
        Ok(())
    }

    fn hear_delta(&mut self, delta: &Node<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        if let Some(piece) = delta.text("reasoning_content").or_else(|| delta.text("reasoning")) {
            self.reasoning.text.push_str(piece);
            events.push_back(Event::Thinking(piece.to_owned()));
        }
        match delta.get("content").as_ref().map(|content| (content, content.value)) {
            None => {}
            Some((_, Value::String(piece))) => self.say(piece.clone(), events),
            Some((content, _)) => {
                for part in content.list()? {
                    match part.text("type") {
                        Some("text") => self.say(part.need("text")?.str()?.to_owned(), events),
                        _ => {
                            self.room.take(BLOCK)?;
                            self.room.take_for(part.value)?;
                            self.parts.push(part.value.clone());
                            events.push_back(Event::Block(ContentBlock::Other(part.value.clone())));
                        }
                    }
                }
            }
        }
        if let Some(piece) = delta.text("refusal") {
            self.content.whole(text, events);
            self.refusal.text.push_str(piece);
            events.push_back(Event::Text(piece.to_owned()));
        }
        if let Some(calls) = delta.get("tool_calls") {
            for call in calls.list()? {
                call.object()?;
                self.hear_call(&call, events)?;
            }
        }
        Ok(())
    }

    fn hear_call(&mut self, piece: &Node<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let (index, id) = (piece.count("index"), piece.text("id"));
        let at = match self.calls.find(index, id) {
            Some(at) => at,
            None => {
                self.end_texts(events);
                self.end_calls(events)?;
                self.room.take(BLOCK)?;
                self.calls.begin(index)
            }
        };
        Ok(self.calls.hear(at, piece, &self.room, events)?)
    }

    fn end_texts(&mut self, events: &mut VecDeque<Event>) {
        self.reasoning.whole(decode::thinking, events);
        self.content.whole(text, events);
        self.refusal.whole(text, events);
    }

    fn end_calls(&mut self, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let cut = self.finish_reason.as_ref().is_some_and(|reason| reason == decode::CUT);
        Ok(self.calls.end(cut, &self.room, events)?)
    }

    /// Usage stands in a chunk of its own, in the last one, in every one, beside the choice, or where Groq has it.
    fn count(&mut self, chunk: &Node<'_>, choice: Option<&Node<'_>>, events: &mut VecDeque<Event>) {
        let groqs = || chunk.get("x_groq")?.get("usage");
        let found = chunk.get("usage").or_else(groqs).or_else(|| choice?.get("usage"));
        if let Some(usage) = found.filter(|usage| usage.value.is_object()) {
            self.root.get_or_insert_default().insert("usage".to_owned(), usage.value.clone());
            events.push_back(Event::Usage(decode::counts(&usage)));
        }
    }

    fn end(&mut self, events: &mut VecDeque<Event>) -> Result<Heard, Unreadable> {
        if self.finish_reason.is_none() {
            return Ok(Heard::Short);
        }
        // A tool call may have gone on after the reason to finish.
        self.end_texts(events);
        self.end_calls(events)?;
        Ok(Heard::End)
    }
}

fn text(text: &str) -> ContentBlock {
    ContentBlock::text(text)
}

impl Text {
    /// Tells what has come of it as a whole, unless that was done.
    fn whole(&mut self, block: impl Fn(&str) -> ContentBlock, events: &mut VecDeque<Event>) {
        if let Some(untold) = self.text.get(self.told..).filter(|untold| !untold.is_empty()) {
            events.push_back(Event::Block(block(untold)));
            self.told = self.text.len();
        }
    }
}
