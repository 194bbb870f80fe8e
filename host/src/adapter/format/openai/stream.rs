//! Reads a streamed answer of OpenAI Chat Completions:
//! <https://platform.openai.com/docs/api-reference/chat-streaming>.
//!
//! It collects the completion that the answer would have been without streaming. At the end, the code for whole answers reads
//! that completion.

use std::collections::VecDeque;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        ending,
        format::{EventReader, Progress},
        halves::JoinedText,
        json::{BLOCK, JsonNode, merge_counts},
        malformed::{Malformed, Unreadable},
        openai::{
            decode, streamed_fields::StreamedFields, streamed_tool_call::Piece, streamed_tool_calls::StreamedToolCalls,
        },
        refusal,
        tree::{self, Keep, MemoryBudget},
    },
    chat::{
        content::{ContentBlock, Text},
        event::Event,
        response::StopReason,
    },
};

/// The fields of a chunk that are read.
const CHUNK: Keep = Keep::Both(
    &Keep::Fields(&[
        ("id", Keep::All),
        ("model", Keep::All),
        ("choices", Keep::Each(&decode::CHOICE)),
        ("usage", Keep::All),
        ("x_groq", Keep::Fields(&[("usage", Keep::All), ("error", Keep::All)])),
    ]),
    &refusal::FIELDS,
);

/// A streamed answer as far as it has arrived.
pub(crate) struct OpenAiStream {
    /// For everything that is kept.
    budget: MemoryBudget,
    /// The fields of the first chunks, and the usage.
    root: Map<String, Value>,
    /// The index of the choice that is read, once there is one.
    index: Option<u64>,
    has_begun: bool,
    /// Whether a chunk with content has said who answers.
    is_introduced: bool,
    reasoning: StreamedText,
    content: StreamedText,
    refusal: StreamedText,
    /// Parts of the content that are not text.
    parts: Vec<Value>,
    /// Unknown fields of the parts that are text.
    text_fields: StreamedFields,
    /// Unknown fields of the message.
    fields: StreamedFields,
    calls: StreamedToolCalls,
    /// Whether a call came in `tool_calls`.
    has_calls: bool,
    finish_reason: Option<String>,
}

/// A text that arrives in pieces, and what was reported of it.
#[derive(Default)]
struct StreamedText {
    joined: JoinedText,
    /// How many bytes of it were reported as blocks.
    reported: usize,
}

/// The most frequent chunk: a piece of text.
#[derive(Deserialize)]
struct TextChunk<'a> {
    #[serde(borrow)]
    choices: [TextChoice<'a>; 1],
    error: Option<IgnoredAny>,
    usage: Option<IgnoredAny>,
    x_groq: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct TextChoice<'a> {
    #[serde(default)]
    index: u64,
    delta: TextDelta,
    finish_reason: Option<&'a str>,
    error: Option<IgnoredAny>,
    usage: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextDelta {
    content: String,
    #[serde(rename = "role")]
    _role: Option<IgnoredAny>,
}

impl EventReader for OpenAiStream {
    fn read(&mut self, _name: &str, data: &str, events: &mut VecDeque<Event>) -> Result<Progress, Unreadable> {
        if ending::is_marker(data) {
            return self.end(events);
        }
        if let Some(piece) = self.read_piece(data) {
            self.add_text(piece, events);
            return Ok(Progress::More);
        }
        let budget = self.budget.renewed();
        let value = tree::read_event(data, &CHUNK, &budget)?;
        let chunk = JsonNode::root(&value, &budget);
        refusal::refuse_errors(&chunk, decode::ANSWER)?;
        // Some proxies send `null` or `"ping"` to keep the connection open.
        if !value.is_object() && value.get(0).is_none() {
            return Ok(Progress::More);
        }
        self.has_begun |= ["choices", "usage"].into_iter().any(|name| value.get(name).is_some());
        let fields = chunk.object()?;
        self.introduce(fields)?;
        let choice = self.choice(&chunk)?;
        if let Some(choice) = &choice {
            refusal::refuse_error_of_choice(choice)?;
            self.is_introduced = true;
            self.read_choice(choice, events)?;
        }
        self.count(&chunk, choice.as_ref(), events)?;
        Ok(Progress::More)
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// An answer that has said why it ended is complete.
    fn end(&mut self, events: &mut VecDeque<Event>) -> Result<Progress, Unreadable> {
        let Some(reason) = &self.finish_reason else { return Ok(Progress::CutShort) };
        let cut = ending::cuts(reason);
        self.end_texts(events);
        self.calls.end(cut, &self.budget, events)?;
        Ok(Progress::End)
    }

    fn body(&mut self) -> Value {
        let text = |text: &mut StreamedText| match text.joined.take() {
            text if text.is_empty() => Value::Null,
            text => text.into(),
        };
        let mut message = self.fields.take();
        message.insert("reasoning_content".to_owned(), text(&mut self.reasoning));
        message.insert("refusal".to_owned(), text(&mut self.refusal));
        let mut content = text(&mut self.content);
        let mut part = self.text_fields.take();
        if !self.parts.is_empty() || !part.is_empty() {
            let said = Some(content).filter(Value::is_string).map(|text| {
                part.extend([("type".into(), "text".into()), ("text".into(), text)]);
                part.into()
            });
            content = said.into_iter().chain(std::mem::take(&mut self.parts)).collect();
        }
        message.insert("content".to_owned(), content);
        let calls = self.calls.take_values();
        if !calls.is_empty() {
            message.insert("tool_calls".to_owned(), calls.into());
        }
        let finish_reason = self.finish_reason.take().into();
        let choice = Map::from_iter([("message".into(), message.into()), ("finish_reason".into(), finish_reason)]);
        let mut body = std::mem::take(&mut self.root);
        body.insert("choices".to_owned(), Value::Array(vec![choice.into()]));
        body.into()
    }
}

impl OpenAiStream {
    /// A reader that has read nothing. What it keeps counts towards the budget.
    pub(crate) fn new(budget: MemoryBudget) -> Self {
        Self {
            budget,
            root: Map::new(),
            index: None,
            has_begun: false,
            is_introduced: false,
            reasoning: StreamedText::default(),
            content: StreamedText::default(),
            refusal: StreamedText::default(),
            parts: Vec::new(),
            text_fields: StreamedFields::default(),
            fields: StreamedFields::default(),
            calls: StreamedToolCalls::default(),
            has_calls: false,
            finish_reason: None,
        }
    }

    /// Reads who answers. Some servers leave that empty in the first chunk.
    fn introduce(&mut self, fields: &Map<String, Value>) -> Result<(), Unreadable> {
        if self.is_introduced {
            return Ok(());
        }
        for (name, value) in fields.iter().filter(|(name, _)| *name != "usage" && *name != "choices") {
            if !value.is_null() && value != "" && !self.root.contains_key(name) {
                self.budget.take(BLOCK)?;
                self.budget.take_for(value)?;
                self.root.insert(name.clone(), value.clone());
            }
        }
        Ok(())
    }

    /// The choice of the answer that is read. A request may ask for several: the first one that comes is read.
    fn choice<'a>(&mut self, chunk: &JsonNode<'a>) -> Result<Option<JsonNode<'a>>, Malformed> {
        let choices = chunk.get("choices").map(|choices| choices.list()).transpose()?.into_iter().flatten();
        let choice = decode::first_of(choices.filter(|choice| {
            let index = decode::index_of(choice);
            self.index.is_none_or(|read| read == index)
        }));
        self.index = self.index.or(choice.as_ref().map(decode::index_of));
        Ok(choice)
    }

    /// Reads a piece of text without making a tree. `None` if the chunk has more than that.
    fn read_piece(&mut self, data: &str) -> Option<String> {
        let TextChunk { choices: [choice], error: None, usage: None, x_groq: None } =
            serde_json::from_str(data).ok()?
        else {
            return None;
        };
        let TextChoice { index, delta, finish_reason: None, error: None, usage: None } = choice else { return None };
        (self.is_introduced && self.index == Some(index)).then_some(delta.content)
    }

    fn add_text(&mut self, piece: String, events: &mut VecDeque<Event>) {
        if !piece.is_empty() {
            self.reasoning.report(Event::Thinking, decode::thinking, events);
            self.content.push(piece, Event::Text, events);
        }
    }

    fn read_choice(&mut self, choice: &JsonNode<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        // Some servers send the last piece as a message.
        if let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) {
            self.fields.join(delta.object()?, &decode::MESSAGE, &self.budget)?;
            self.read_delta(&delta, events)?;
        } else if let Some(piece) = choice.text("text") {
            // The older format of completions.
            self.add_text(piece.to_owned(), events);
        }
        if let Some(reason) = ending::word(choice, "finish_reason") {
            refusal::refuse_ending(&reason)?;
            // Some servers say `stop` at the end, whatever they have said before.
            let is_vague = ending::stop_reason(Some(&reason), false) == StopReason::EndTurn;
            if self.finish_reason.is_none() || !is_vague {
                self.finish_reason = Some(reason);
            }
            // Its texts end with the stream: some servers say in each chunk why the answer ends.
            self.calls.finish(&self.budget, events)?;
        }
        Ok(())
    }

    fn read_delta(&mut self, delta: &JsonNode<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        if let Some(piece) = delta.text("reasoning_content").or_else(|| delta.text("reasoning")) {
            self.reasoning.push(piece.to_owned(), Event::Thinking, events);
        }
        if let Some(content) = delta.get("content") {
            self.read_content(&content, events)?;
        }
        if let Some(piece) = delta.text("refusal") {
            self.content.report(Event::Text, text, events);
            // It is told when it is whole: the block behind it says that it is a refusal.
            self.refusal.joined.push(piece.to_owned());
        }
        if let Some(calls) = delta.get("tool_calls") {
            for call in calls.list()?.filter(|call| !call.value.is_null()) {
                call.object()?;
                self.has_calls = true;
                self.read_call(&Piece::of_call(&call), events)?;
            }
        }
        // Some servers send a call in both fields.
        if let Some(function) = delta.get("function_call").filter(|_| !self.has_calls) {
            function.object()?;
            self.read_call(&Piece::of_function(&function), events)?;
        }
        Ok(())
    }

    fn read_content(&mut self, content: &JsonNode<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        if let Value::String(piece) = content.value {
            self.add_text(piece.clone(), events);
            return Ok(());
        }
        for part in decode::parts(content)? {
            if let Some(piece) = decode::thinking_of_part(part.value) {
                self.reasoning.push(piece, Event::Thinking, events);
                continue;
            }
            match part.text("type") {
                None if part.value.is_string() => self.add_text(part.str()?.to_owned(), events),
                Some("text" | "output_text") => {
                    self.add_text(part.need("text")?.str()?.to_owned(), events);
                    self.text_fields.join(part.object()?, &["type", "text"], &self.budget)?;
                }
                _ => {
                    self.budget.take(BLOCK)?;
                    self.budget.take_for(part.value)?;
                    self.parts.push(part.value.clone());
                    events.push_back(Event::Block(ContentBlock::Other(part.value.clone())));
                }
            }
        }
        Ok(())
    }

    fn read_call(&mut self, piece: &Piece<'_, '_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let at = match self.calls.find(piece) {
            Some(at) => at,
            None => {
                self.end_texts(events);
                self.budget.take(BLOCK)?;
                self.calls.begin(piece.index, &self.budget, events)?
            }
        };
        Ok(self.calls.read(at, piece, &self.budget, events)?)
    }

    fn end_texts(&mut self, events: &mut VecDeque<Event>) {
        self.reasoning.report(Event::Thinking, decode::thinking, events);
        self.content.report(Event::Text, text, events);
        self.refusal.joined.end();
        if let Some(refusal) = self.refusal.joined.text.get(self.refusal.reported..).filter(|new| !new.is_empty()) {
            events.push_back(Event::Text(refusal.to_owned()));
        }
        self.refusal.report(Event::Text, refused, events);
    }

    /// Reads the usage. It stands in a chunk of its own, in the last chunk or in every chunk, and in one of three fields.
    fn count(
        &mut self,
        chunk: &JsonNode<'_>,
        choice: Option<&JsonNode<'_>>,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Malformed> {
        let groqs = || chunk.get("x_groq")?.get("usage");
        let found = chunk.get("usage").or_else(groqs).or_else(|| choice?.get("usage"));
        let Some(more) = found.as_ref().and_then(|usage| usage.value.as_object()) else { return Ok(()) };
        let usage = self.root.entry("usage").or_insert_with(|| Map::new().into());
        if let Some(usage) = usage.as_object_mut() {
            merge_counts(usage, more, &self.budget)?;
        }
        events.push_back(Event::Usage(decode::counts(&JsonNode::root(usage, &self.budget))));
        Ok(())
    }
}

fn text(text: &str) -> ContentBlock {
    ContentBlock::text(text)
}

fn refused(text: &str) -> ContentBlock {
    let extensions = [(decode::refusal_mark(), true.into())].into();
    ContentBlock::Text(Text { extensions, ..Text::new(text) })
}

impl StreamedText {
    /// Adds a piece and tells what the text has gained.
    fn push(&mut self, piece: String, event: impl Fn(String) -> Event, events: &mut VecDeque<Event>) {
        let gained = self.joined.push(piece);
        if !gained.is_empty() {
            events.push_back(event(gained));
        }
    }

    /// Reports as a block what has arrived since the last block.
    fn report(
        &mut self,
        event: impl Fn(String) -> Event,
        block: impl Fn(&str) -> ContentBlock,
        events: &mut VecDeque<Event>,
    ) {
        if let Some(gained) = self.joined.end() {
            events.push_back(event(gained.into()));
        }
        let text = &self.joined.text;
        if let Some(new) = text.get(self.reported..).filter(|new| !new.is_empty()) {
            events.push_back(Event::Block(block(new)));
            self.reported = text.len();
        }
    }
}
