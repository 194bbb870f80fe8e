//! Streams as Anthropic's Messages API sends them.

use serde_json::{Value, json};

use super::stream::Texts;
use super::{Asked, anthropic};
use crate::answer::Answer;
use crate::event::Event;

/// An answer as events: the message without content, its blocks one after the other, and how it ended.
pub(super) fn answer(answer: &Answer, asked: &Asked<'_>, texts: &Texts) -> Vec<Event> {
    let start = json!({"type": "message_start", "message": anthropic::begun(answer, asked)});
    let mut events = vec![Event::named("message_start", start), ping()];
    for (index, block) in blocks(answer, texts).into_iter().enumerate() {
        block.write(index, &mut events);
    }
    events.push(Event::named(
        "message_delta",
        json!({
            "type": "message_delta",
            "delta": {"stop_reason": answer.stop_reason(), "stop_sequence": null},
            "usage": anthropic::written(answer.usage()),
        }),
    ));
    events.push(Event::named("message_stop", json!({"type": "message_stop"})));
    events
}

/// One block of content: as it begins, and what is added to it.
struct Block {
    start: Value,
    deltas: Vec<Value>,
}

impl Block {
    fn write(self, index: usize, events: &mut Vec<Event>) {
        let start = json!({"type": "content_block_start", "index": index, "content_block": self.start});
        events.push(Event::named("content_block_start", start));
        events.extend(self.deltas.into_iter().map(|delta| {
            let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
            Event::named("content_block_delta", delta)
        }));
        events.push(Event::named("content_block_stop", json!({"type": "content_block_stop", "index": index})));
    }
}

/// The same blocks in the same order as in an answer that is not streamed.
fn blocks(answer: &Answer, texts: &Texts) -> Vec<Block> {
    let thinking = answer.thinking.as_deref().map(|text| {
        let signature = answer.signature.as_deref().filter(|signature| !signature.is_empty());
        let signature = signature.map(|signature| json!({"type": "signature_delta", "signature": signature}));
        let pieces = texts.pieces(text).into_iter().map(|piece| json!({"type": "thinking_delta", "thinking": piece}));
        Block { start: anthropic::thinking("", ""), deltas: pieces.chain(signature).collect() }
    });
    let text = anthropic::said(answer).map(|text| {
        let pieces = texts.pieces(text).into_iter().map(|piece| json!({"type": "text_delta", "text": piece}));
        Block { start: anthropic::text(""), deltas: pieces.collect() }
    });
    let tool_calls = answer.tool_calls().map(|(id, call)| {
        let arguments = call.arguments.to_string();
        let delta = |piece: &str| json!({"type": "input_json_delta", "partial_json": piece});
        // The API begins with an empty piece.
        let pieces = std::iter::once("").chain(texts.argument_pieces(&arguments)).map(delta);
        Block { start: anthropic::tool_use(&id, &call.name, &json!({})), deltas: pieces.collect() }
    });
    thinking.into_iter().chain(text).chain(tool_calls).collect()
}

pub(super) fn ping() -> Event {
    Event::named("ping", json!({"type": "ping"}))
}

/// The API may add kinds of events at any time.
pub(super) fn unknown() -> Event {
    Event::named("simulated_event", json!({"type": "simulated_event", "index": 0, "delta": {"type": "simulated"}}))
}
