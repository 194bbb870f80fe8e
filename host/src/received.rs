//! What has arrived of a streamed answer, put together from its events.

use crate::{
    content::{ContentBlock, Thinking},
    event::Event,
    message::Extensions,
};

/// The blocks so far.
#[derive(Debug, Default)]
pub(crate) struct Received {
    content: Vec<ContentBlock>,
    /// Blocks that have begun: in an answer the order in which blocks end is that in which they began, but for tool calls
    /// that come side by side.
    begun: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Thinking(String),
    Tool { index: usize, id: String, name: String, json: String },
}

impl Received {
    /// Takes note of an event. Its end is of no use here: whoever has that has all.
    pub(crate) fn add(&mut self, event: &Event) {
        match event {
            Event::Text(text) => match self.begun.last_mut() {
                Some(Piece::Text(before)) => before.push_str(text),
                _ => self.begun.push(Piece::Text(text.clone())),
            },
            Event::Thinking(text) => match self.begun.last_mut() {
                Some(Piece::Thinking(before)) => before.push_str(text),
                _ => self.begun.push(Piece::Thinking(text.clone())),
            },
            Event::ToolUseStart { index, id, name } => {
                let (id, name, json) = (id.clone(), name.clone(), String::new());
                self.begun.push(Piece::Tool { index: *index, id, name, json });
            }
            Event::ToolArguments { index, json } => {
                let of = |piece: &&mut Piece| matches!(piece, Piece::Tool { index: at, .. } if at == index);
                if let Some(Piece::Tool { json: before, .. }) = self.begun.iter_mut().find(of) {
                    before.push_str(json);
                }
            }
            Event::ToolUseEnd { index, call } => {
                self.forget(|piece| matches!(piece, Piece::Tool { index: at, .. } if at == index));
                self.content.push(ContentBlock::ToolUse(call.clone()));
            }
            Event::Block(block) => {
                match block {
                    ContentBlock::Text(_) => self.forget(|piece| matches!(piece, Piece::Text(_))),
                    ContentBlock::Thinking(_) => self.forget(|piece| matches!(piece, Piece::Thinking(_))),
                    partial if partial.is_partial_tool_use() => {
                        self.forget(|piece| matches!(piece, Piece::Tool { .. }));
                    }
                    _ => {}
                }
                self.content.push(block.clone());
            }
            Event::Usage(_) | Event::End(_) => {}
        }
    }

    /// The blocks that are whole, and the beginnings of those that are not. A tool call that is not whole is no tool
    /// call, lest it be acted on: it is a block of the type `partial_tool_use`, with its arguments as text.
    pub(crate) fn content(self) -> Vec<ContentBlock> {
        let partial = |piece| match piece {
            Piece::Text(text) => ContentBlock::text(text),
            Piece::Thinking(text) => {
                let (signature, redacted, extensions) = (None, None, Extensions::new());
                ContentBlock::Thinking(Thinking { text, signature, redacted, extensions })
            }
            Piece::Tool { id, name, json, .. } => ContentBlock::partial_tool_use(&id, &name, &json),
        };
        let begun = self.begun.into_iter().map(partial);
        self.content.into_iter().chain(begun).collect()
    }

    fn forget(&mut self, is_it: impl Fn(&Piece) -> bool) {
        if let Some(at) = self.begun.iter().position(is_it) {
            self.begun.remove(at);
        }
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
