//! A streamed answer of OpenAI Chat Completions:
//! <https://platform.openai.com/docs/api-reference/chat-streaming>.
//!
//! Its chunks are put together to the completion that an answer without streaming would have been, which the same code
//! reads.

use std::{borrow::Cow, collections::VecDeque};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};

use super::{decode, refusal};
use crate::{
    adapter::{
        format::{Heard, Listen, Unreadable},
        json::{Malformed, Node, room_for_block},
        template::Template,
    },
    content::ContentBlock,
    event::Event,
};

/// What stands at the end of a stream.
const DONE: &str = "[DONE]";

/// What has been heard.
#[derive(Default)]
pub(super) struct Stream {
    /// The fields of the first chunk, and the usage.
    root: Map<String, Value>,
    reasoning: Text,
    content: Text,
    refusal: Text,
    /// Parts of the content that are no text.
    parts: Vec<Value>,
    calls: Vec<Call>,
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

/// A tool call that has begun.
#[derive(Default)]
struct Call {
    index: Option<u64>,
    /// Its fields, but for the function.
    fields: Map<String, Value>,
    name: String,
    arguments: String,
    begun: bool,
    ended: bool,
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
        let value: Value =
            serde_json::from_str(data).map_err(|error| Malformed(format!("an event is not JSON: {error}")))?;
        let chunk = Node::root(&value);
        let fields = chunk.object()?;
        refusal::refuse_errors(&chunk)?;
        if self.root.is_empty() {
            self.root = fields.clone();
            self.root.remove("usage");
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
        let Self { root, reasoning, content, refusal, parts, calls, finish_reason, piece: _ } = std::mem::take(self);
        let mut message = Map::new();
        let text = |text: Text| if text.text.is_empty() { Value::Null } else { text.text.into() };
        message.insert("reasoning_content".to_owned(), text(reasoning));
        message.insert("refusal".to_owned(), text(refusal));
        let content = match parts.is_empty() {
            true => text(content),
            false => {
                let said = Some(content.text).filter(|text| !text.is_empty());
                let said = said.map(|text| json!({"type": "text", "text": text}));
                said.into_iter().chain(parts).collect()
            }
        };
        message.insert("content".to_owned(), content);
        if !calls.is_empty() {
            message.insert("tool_calls".to_owned(), calls.iter().map(Call::value).collect());
        }
        let mut body = root;
        body.insert("choices".to_owned(), json!([{"message": message, "finish_reason": finish_reason}]));
        body.into()
    }
}

impl Stream {
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
        if self.root.is_empty() {
            return None;
        }
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
                            room_for_block(self.parts.len())?;
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
        let is_it = |call: &Call| {
            // Some servers give no index, or the same one to all calls.
            let other = id.is_some_and(|id| call.begun && call.fields.get("id").is_some_and(|known| known != id));
            !other && (index.is_none() || call.index.is_none() || call.index == index)
        };
        let at = match self.calls.iter().rposition(is_it) {
            Some(at) => at,
            None => {
                self.end_texts(events);
                self.end_calls(events)?;
                room_for_block(self.calls.len())?;
                self.calls.push(Call { index, ..Call::default() });
                self.calls.len() - 1
            }
        };
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        let function = piece.get("function");
        for (name, value) in piece.object()? {
            if !value.is_null() && name != "function" && !(name == "id" && value == "") {
                call.fields.insert(name.clone(), value.clone());
            }
        }
        if let Some(name) = function.as_ref().and_then(|function| function.text("name")) {
            // In pieces or, by some servers, again with each piece.
            if !call.begun {
                call.name.push_str(name);
            }
        }
        if !call.begun && !call.name.is_empty() {
            call.begun = true;
            let id = decode::call_id(at, &Node::root(&call.fields.clone().into()));
            events.push_back(Event::ToolUseStart { index: at, id, name: call.name.clone() });
        }
        let arguments = function.as_ref().and_then(|function| function.get("arguments"));
        let json = match arguments.as_ref().map(|arguments| arguments.value) {
            None => return Ok(()),
            Some(Value::String(json)) => json.clone(),
            Some(value) => value.to_string(),
        };
        call.arguments.push_str(&json);
        if !json.is_empty() {
            events.push_back(Event::ToolArguments { index: at, json });
        }
        Ok(())
    }

    fn end_texts(&mut self, events: &mut VecDeque<Event>) {
        self.reasoning.whole(decode::thinking, events);
        self.content.whole(text, events);
        self.refusal.whole(text, events);
    }

    fn end_calls(&mut self, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let cut = self.finish_reason.as_ref().is_some_and(|reason| reason == decode::CUT);
        let last = self.calls.len().saturating_sub(1);
        for (index, call) in self.calls.iter_mut().enumerate().filter(|(_, call)| !call.ended) {
            call.ended = true;
            let whole = decode::last_call(index, &Node::root(&call.value()), cut && index == last)?;
            events.push_back(match whole {
                ContentBlock::ToolUse(call) => Event::ToolUseEnd { index, call },
                partial => Event::Block(partial),
            });
        }
        Ok(())
    }

    /// Usage stands in a chunk of its own, in the last one, in every one, beside the choice, or where Groq has it.
    fn count(&mut self, chunk: &Node<'_>, choice: Option<&Node<'_>>, events: &mut VecDeque<Event>) {
        let groqs = || chunk.get("x_groq")?.get("usage");
        let found = chunk.get("usage").or_else(groqs).or_else(|| choice?.get("usage"));
        if let Some(usage) = found.filter(|usage| usage.value.is_object()) {
            self.root.insert("usage".to_owned(), usage.value.clone());
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

impl Call {
    /// The call as it would have been without streaming.
    fn value(&self) -> Value {
        let mut fields = self.fields.clone();
        let name = Some(&self.name).filter(|name| !name.is_empty());
        fields.insert("function".to_owned(), json!({"name": name, "arguments": self.arguments}));
        fields.into()
    }
}
