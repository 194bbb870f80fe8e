//! What has arrived of a streamed answer, put together from its events.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::chat::{
    content::{ContentBlock, Text, Thinking},
    event::Event,
};

/// The blocks so far.
#[derive(Debug, Default)]
pub(crate) struct Received {
    content: Vec<ContentBlock>,
    /// Blocks that have begun, by when they did.
    begun: BTreeMap<u64, Piece>,
    /// How many have begun.
    count: u64,
    /// Which of them are texts. Blocks end in the order in which they began, except tool calls that come side by side.
    texts: VecDeque<u64>,
    thinking: VecDeque<u64>,
    /// Which are tool calls, by their index.
    tools: BTreeMap<usize, u64>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Thinking(String),
    Tool { id: String, name: String, json: String },
}

impl Received {
    /// Takes note of an event. The end is left out: it holds the whole answer.
    pub(crate) fn add(&mut self, event: &Event) {
        match event {
            Event::Text(text) => self.add_text(text),
            Event::Thinking(text) => self.add_thinking(text),
            Event::ToolUseStart { index, id, name } => {
                let (id, name, json) = (id.clone(), name.clone(), String::new());
                let at = self.begin(Piece::Tool { id, name, json });
                self.tools.insert(*index, at);
            }
            Event::ToolArguments { index, json } => {
                let piece = self.tools.get(index).and_then(|at| self.begun.get_mut(at));
                if let Some(Piece::Tool { json: before, .. }) = piece {
                    before.push_str(json);
                }
            }
            Event::ToolUseEnd { index, call } => {
                self.tools.remove(index).map(|at| self.begun.remove(&at));
                self.content.push(ContentBlock::ToolUse(call.clone()));
            }
            Event::Block(block) => self.add_block(block),
            Event::Usage(_) | Event::Original(_) | Event::Rewritten(_) | Event::End(_) => {}
        }
    }

    fn add_text(&mut self, text: &str) {
        match self.begun.last_entry().map(|last| last.into_mut()) {
            Some(Piece::Text(before)) => before.push_str(text),
            _ => {
                let at = self.begin(Piece::Text(text.to_owned()));
                self.texts.push_back(at);
            }
        }
    }

    fn add_thinking(&mut self, text: &str) {
        match self.begun.last_entry().map(|last| last.into_mut()) {
            Some(Piece::Thinking(before)) => before.push_str(text),
            _ => {
                let at = self.begin(Piece::Thinking(text.to_owned()));
                self.thinking.push_back(at);
            }
        }
    }

    fn begin(&mut self, piece: Piece) -> u64 {
        self.count += 1;
        self.begun.insert(self.count, piece);
        self.count
    }

    /// A block that is whole stands in the place of its pieces.
    fn add_block(&mut self, block: &ContentBlock) {
        let began = match block {
            ContentBlock::Text(_) => self.texts.pop_front(),
            ContentBlock::Thinking(_) => self.thinking.pop_front(),
            ContentBlock::Other(partial) if block.is_partial_tool_use() => self.end_tool(partial.get("id")),
            _ => None,
        };
        let piece = began.and_then(|at| self.begun.remove(&at));
        self.content.push(match (piece, block) {
            // Reuses the text of the pieces, so that a long text is not held twice.
            (Some(Piece::Text(mut text)), ContentBlock::Text(whole)) if text == whole.text => {
                text.shrink_to_fit();
                ContentBlock::Text(Text { text, cache: whole.cache.clone(), extensions: whole.extensions.clone() })
            }
            (_, block) => block.clone(),
        });
    }

    /// Ends the tool call with this id. Returns when it began.
    fn end_tool(&mut self, id: Option<&Value>) -> Option<u64> {
        let is_it =
            |at: &u64| matches!(self.begun.get(at), Some(Piece::Tool { id: of, .. }) if id.is_some_and(|id| id == of));
        let index = self.tools.iter().find(|(_, at)| is_it(at)).map(|(index, _)| *index)?;
        self.tools.remove(&index)
    }

    /// The blocks that are whole, and the beginnings of the others. The beginning of a tool call is a block of the type
    /// `partial_tool_use`, with its arguments as text, so that nobody acts on it.
    pub(crate) fn content(self) -> Vec<ContentBlock> {
        let partial = |piece| match piece {
            Piece::Text(text) => ContentBlock::text(text),
            Piece::Thinking(text) => ContentBlock::Thinking(Thinking::new(text)),
            Piece::Tool { id, name, json } => ContentBlock::partial_tool_use(&id, &name, &json),
        };
        let begun = self.begun.into_values().map(partial);
        self.content.into_iter().chain(begun).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_whole_and_what_is_not() {
        let mut received = Received::default();
        for event in [
            Event::Thinking("Hm".into()),
            Event::Text("Let".into()),
            Event::Text(" me".into()),
            Event::Block(ContentBlock::text("Let me")),
            Event::ToolUseStart { index: 0, id: "a".into(), name: "look".into() },
            Event::ToolArguments { index: 0, json: "{\"at\"".into() },
        ] {
            received.add(&event);
        }
        let content = serde_json::to_value(received.content()).unwrap();
        let expected = json!([
            {"type": "text", "text": "Let me"},
            {"type": "thinking", "text": "Hm"},
            {"type": "partial_tool_use", "id": "a", "name": "look", "arguments": "{\"at\""},
        ]);
        assert_eq!(content, expected);
    }
}
