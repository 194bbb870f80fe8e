//! The events of streamed answers.

use serde_json::json;

use crate::{
    chat::event::Event,
    runtime::guest::{
        bindings::arcllm::llm::streams as wit,
        convert::{
            content::{blocks_in, blocks_out, call_in, call_out},
            response::{response_in, response_out, usage_in, usage_out},
        },
    },
};

fn index_out(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn index_in(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

pub(crate) fn event_out(event: Event) -> wit::Event {
    match event {
        Event::Text(text) => wit::Event::Text(text),
        Event::Thinking(text) => wit::Event::Thinking(text),
        Event::ToolUseStart { index, id, name } => {
            wit::Event::ToolUseStart(wit::ToolUseStart { index: index_out(index), id, name })
        }
        Event::ToolArguments { index, json } => {
            wit::Event::ToolArguments(wit::ToolArguments { index: index_out(index), json })
        }
        Event::ToolUseEnd { index, call } => {
            wit::Event::ToolUseEnd(wit::ToolUseEnd { index: index_out(index), call: call_out(&call) })
        }
        Event::Block(block) => match blocks_out(std::slice::from_ref(&block)).pop() {
            Some(block) => wit::Event::Block(block),
            None => wit::Event::Other(json!({"type": "block"}).to_string()),
        },
        Event::Usage(usage) => wit::Event::Usage(usage_out(&usage)),
        Event::Original(_) | Event::Rewritten(_) => wit::Event::Other(json!({"type": "original"}).to_string()),
        Event::End(response) => wit::Event::End(response_out(&response)),
    }
}

/// `None` for an event that the host does not know.
pub(crate) fn event_in(event: wit::Event) -> Option<Event> {
    Some(match event {
        wit::Event::Text(text) => Event::Text(text),
        wit::Event::Thinking(text) => Event::Thinking(text),
        wit::Event::ToolUseStart(start) => {
            Event::ToolUseStart { index: index_in(start.index), id: start.id, name: start.name }
        }
        wit::Event::ToolArguments(piece) => Event::ToolArguments { index: index_in(piece.index), json: piece.json },
        wit::Event::ToolUseEnd(end) => Event::ToolUseEnd { index: index_in(end.index), call: call_in(end.call) },
        wit::Event::Block(block) => Event::Block(blocks_in(vec![block]).pop()?),
        wit::Event::Usage(usage) => Event::Usage(usage_in(usage)),
        wit::Event::End(parts) => Event::End(Box::new(response_in(parts, None))),
        wit::Event::Other(_) => return None,
    })
}
