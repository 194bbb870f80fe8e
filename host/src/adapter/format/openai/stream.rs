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
        format::{EventReader, Progress, Unreadable},
        json::{BLOCK, JsonNode},
        openai::{decode, refusal, streamed_tool_calls::StreamedToolCalls},
        tree::{self, Keep, MemoryBudget, TreeError},
    },
    chat::{content::ContentBlock, event::Event},
};

/// The last event of a stream.
const DONE: &str = "[DONE]";

/// The fields of a chunk that are read.
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

/// A streamed answer as far as it has arrived.
pub(crate) struct OpenAiStream {
    /// For everything that is kept.
    budget: MemoryBudget,
    /// The fields of the first chunk, and the usage.
    root: Option<Map<String, Value>>,
    reasoning: StreamedText,
    content: StreamedText,
    refusal: StreamedText,
    /// Parts of the content that are not text.
    parts: Vec<Value>,
    calls: StreamedToolCalls,
    finish_reason: Option<Value>,
}

/// A text that arrives in pieces.
#[derive(Default)]
struct StreamedText {
    text: String,
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
    fn read(&mut self, data: &str, events: &mut VecDeque<Event>) -> Result<Progress, Unreadable> {
        if data.trim() == DONE {
            return self.end(events);
        }
        if let Some(piece) = self.read_piece(data) {
            self.add_text(piece, events);
            return Ok(Progress::More);
        }
        let budget = self.budget.renewed();
        let value = tree::read(data.as_bytes(), &CHUNK, &budget).map_err(TreeError::in_event)?;
        let chunk = JsonNode::root(&value, &budget);
        let fields = chunk.object()?;
        refusal::refuse_errors(&chunk)?;
        if self.root.is_none() {
            let kept = fields.iter().filter(|(name, _)| *name != "usage" && *name != "choices");
            self.root = Some(kept.map(|(name, value)| (name.clone(), value.clone())).collect());
            self.budget.take_for(&value)?;
        }
        let choices = chunk.get("choices").map(|choices| choices.list()).transpose()?;
        // A request may ask for several answers. Only the first is read.
        let choice = choices.into_iter().flatten().find(|choice| choice.count("index").unwrap_or_default() == 0);
        if let Some(choice) = &choice {
            refusal::refuse_error_of_choice(choice)?;
            self.read_choice(choice, events)?;
        }
        self.count(&chunk, choice.as_ref(), events);
        Ok(Progress::More)
    }

    fn body(&mut self) -> Value {
        let text = |text: &mut StreamedText| match std::mem::take(&mut text.text) {
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

impl OpenAiStream {
    /// A reader that has read nothing. What it keeps counts towards the budget.
    pub(crate) fn new(budget: MemoryBudget) -> Self {
        let (root, reasoning, content, refusal, parts, calls, finish_reason) = Default::default();
        Self { budget, root, reasoning, content, refusal, parts, calls, finish_reason }
    }

    /// Reads a piece of text without making a tree. `None` if the chunk has more than that.
    fn read_piece(&mut self, data: &str) -> Option<String> {
        let TextChunk { choices: [choice], error: None, usage: None, x_groq: None } =
            serde_json::from_str(data).ok()?
        else {
            return None;
        };
        let TextChoice { index: 0, delta, finish_reason: None, error: None, usage: None } = choice else { return None };
        // The first chunk also says who answers.
        self.root.as_ref()?;
        Some(delta.content)
    }

    fn add_text(&mut self, piece: String, events: &mut VecDeque<Event>) {
        if !piece.is_empty() {
            self.reasoning.report(decode::thinking, events);
            self.content.text.push_str(&piece);
            events.push_back(Event::Text(piece));
        }
    }

    fn read_choice(&mut self, choice: &JsonNode<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        // Some servers send the last piece as a message.
        if let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) {
            delta.object()?;
            self.read_delta(&delta, events)?;
        }
        if let Some(reason) = choice.text("finish_reason") {
            self.finish_reason = Some(reason.into());
            self.end_texts(events);
            self.end_calls(events)?;
        }
        Ok(())
    }

    fn read_delta(&mut self, delta: &JsonNode<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        if let Some(piece) = delta.text("reasoning_content").or_else(|| delta.text("reasoning")) {
            self.reasoning.text.push_str(piece);
            events.push_back(Event::Thinking(piece.to_owned()));
        }
        match delta.get("content").as_ref().map(|content| (content, content.value)) {
            None => {}
            Some((_, Value::String(piece))) => self.add_text(piece.clone(), events),
            Some((content, _)) => {
                for part in content.list()? {
                    match part.text("type") {
                        Some("text") => self.add_text(part.need("text")?.str()?.to_owned(), events),
                        _ => {
                            self.budget.take(BLOCK)?;
                            self.budget.take_for(part.value)?;
                            self.parts.push(part.value.clone());
                            events.push_back(Event::Block(ContentBlock::Other(part.value.clone())));
                        }
                    }
                }
            }
        }
        if let Some(piece) = delta.text("refusal") {
            self.content.report(text, events);
            self.refusal.text.push_str(piece);
            events.push_back(Event::Text(piece.to_owned()));
        }
        if let Some(calls) = delta.get("tool_calls") {
            for call in calls.list()? {
                call.object()?;
                self.read_call(&call, events)?;
            }
        }
        Ok(())
    }

    fn read_call(&mut self, piece: &JsonNode<'_>, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let (index, id) = (piece.count("index"), piece.text("id"));
        let at = match self.calls.find(index, id) {
            Some(at) => at,
            None => {
                self.end_texts(events);
                self.end_calls(events)?;
                self.budget.take(BLOCK)?;
                self.calls.begin(index)
            }
        };
        Ok(self.calls.read(at, piece, &self.budget, events)?)
    }

    fn end_texts(&mut self, events: &mut VecDeque<Event>) {
        self.reasoning.report(decode::thinking, events);
        self.content.report(text, events);
        self.refusal.report(text, events);
    }

    fn end_calls(&mut self, events: &mut VecDeque<Event>) -> Result<(), Unreadable> {
        let cut = self.finish_reason.as_ref().is_some_and(|reason| reason == decode::CUT);
        Ok(self.calls.end(cut, &self.budget, events)?)
    }

    /// Reads the usage. It stands in a chunk of its own, in the last chunk or in every chunk, and in one of three fields.
    fn count(&mut self, chunk: &JsonNode<'_>, choice: Option<&JsonNode<'_>>, events: &mut VecDeque<Event>) {
        let groqs = || chunk.get("x_groq")?.get("usage");
        let found = chunk.get("usage").or_else(groqs).or_else(|| choice?.get("usage"));
        if let Some(usage) = found.filter(|usage| usage.value.is_object()) {
            self.root.get_or_insert_default().insert("usage".to_owned(), usage.value.clone());
            events.push_back(Event::Usage(decode::counts(&usage)));
        }
    }

    fn end(&mut self, events: &mut VecDeque<Event>) -> Result<Progress, Unreadable> {
        if self.finish_reason.is_none() {
            return Ok(Progress::CutShort);
        }
        // A tool call may go on after the finish reason.
        self.end_texts(events);
        self.end_calls(events)?;
        Ok(Progress::End)
    }
}

fn text(text: &str) -> ContentBlock {
    ContentBlock::text(text)
}

impl StreamedText {
    /// Reports as a block what has arrived since the last block.
    fn report(&mut self, block: impl Fn(&str) -> ContentBlock, events: &mut VecDeque<Event>) {
        if let Some(new) = self.text.get(self.reported..).filter(|new| !new.is_empty()) {
            events.push_back(Event::Block(block(new)));
            self.reported = self.text.len();
        }
    }
}
