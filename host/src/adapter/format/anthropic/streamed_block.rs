//! A block of a streamed answer. It arrives in pieces.

use serde_json::Value;

use crate::{
    adapter::format::{
        halves::JoinedText,
        malformed::Malformed,
        tree::{self, Keep, MemoryBudget, TreeError},
    },
    chat::event::Event,
};

/// A piece of a block.
pub(crate) enum Piece {
    Text(String),
    Thinking(String),
    /// Of the arguments of a tool call.
    Input(String),
}

/// Whether a piece of text is more than nothing.
pub(crate) fn says_something(event: &Event) -> bool {
    match event {
        Event::Text(piece) | Event::Thinking(piece) | Event::ToolArguments { json: piece, .. } => !piece.is_empty(),
        _ => true,
    }
}

/// A block that has begun to arrive.
pub(crate) struct StreamedBlock {
    /// The block as it began. [`complete`](Self::complete) adds the pieces.
    pub(crate) value: Value,
    pub(crate) text: JoinedText,
    pub(crate) thinking: JoinedText,
    pub(crate) signature: String,
    pub(crate) input: JoinedText,
    /// The number of the tool call, if the block is one.
    pub(crate) call: Option<usize>,
    pub(crate) ended: bool,
    /// Whether its texts are told. Those of a block of an unknown type are not what the answer says.
    pub(crate) is_told: bool,
}

impl StreamedBlock {
    /// Adds a piece. Returns the event that tells what has been gained, if it is anything.
    pub(crate) fn add(&mut self, piece: Piece) -> Option<Event> {
        let event = match (piece, self.call) {
            (Piece::Text(text), _) => Event::Text(self.text.push(text)),
            (Piece::Thinking(text), _) => Event::Thinking(self.thinking.push(text)),
            (Piece::Input(json), Some(index)) => Event::ToolArguments { index, json: self.input.push(json) },
            // The input of a tool that the provider runs.
            (Piece::Input(json), None) => {
                self.input.push(json);
                return None;
            }
        };
        (self.is_told && says_something(&event)).then_some(event)
    }

    /// Ends texts that end with half a character. Returns the events that tell it.
    pub(crate) fn end_texts(&mut self) -> impl Iterator<Item = Event> + use<> {
        let is_told = self.is_told;
        let text = self.text.end().map(|end| Event::Text(end.into()));
        let thinking = self.thinking.end().map(|end| Event::Thinking(end.into()));
        let input = self.call.and_then(|index| {
            let json = self.input.end()?.into();
            Some(Event::ToolArguments { index, json })
        });
        [text, thinking, input].into_iter().flatten().filter(move |_| is_told)
    }

    /// Makes `value` what it would have been without streaming.
    pub(crate) fn complete(&mut self, budget: &MemoryBudget) -> Result<(), Malformed> {
        let Some(fields) = self.value.as_object_mut() else { return Ok(()) };
        let mut set = |name: &str, text: String| {
            if fields.contains_key(name) || !text.is_empty() {
                fields.insert(name.to_owned(), text.into());
            }
        };
        set("text", self.text.take());
        set("thinking", self.thinking.take());
        set("signature", std::mem::take(&mut self.signature));
        let input = self.input.take();
        if !input.trim().is_empty() {
            // Text that is not JSON stays text. Reading the block reports it.
            let input = match tree::read(input.as_bytes(), &Keep::All, budget) {
                Ok(input) => input,
                Err(TreeError::NotJson(_)) => Value::String(input),
                Err(TreeError::TooLarge(malformed)) => return Err(malformed),
            };
            fields.insert("input".to_owned(), input);
        }
        Ok(())
    }
}
