//! Events that wait until an answer is whole.

use crate::bindings::arcllm::llm::streams::{Event, ToolArguments};

/// The most bytes to which pieces are joined that wait.
const LONGEST_PIECE: usize = 4096;

/// Events that wait until the answer is whole. Pieces are joined, so that many small ones take little memory.
#[derive(Debug, Default)]
pub struct Held(Vec<Event>);

impl Held {
    /// Whether this event, and all that come after it, must wait: a tool call begins.
    pub fn begins_with(event: &Event) -> bool {
        matches!(event, Event::ToolUseStart(_) | Event::ToolArguments(_) | Event::ToolUseEnd(_))
    }

    /// Whether some wait.
    pub fn is_holding(&self) -> bool {
        !self.0.is_empty()
    }

    /// Adds an event.
    pub fn add(&mut self, event: Event) {
        let event = match (self.0.last_mut(), event) {
            (Some(Event::Text(last)), Event::Text(piece)) | (Some(Event::Thinking(last)), Event::Thinking(piece))
                if last.len() < LONGEST_PIECE =>
            {
                last.push_str(&piece);
                return;
            }
            (Some(Event::ToolArguments(last)), Event::ToolArguments(ToolArguments { index, json }))
                if last.index == index && last.json.len() < LONGEST_PIECE =>
            {
                last.json.push_str(&json);
                return;
            }
            (_, event) => event,
        };
        self.0.push(event);
    }

    /// Takes all.
    pub fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.0)
    }
}
