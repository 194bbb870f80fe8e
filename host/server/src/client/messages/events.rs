//! Writes a streamed answer: <https://docs.claude.com/en/docs/build-with-claude/streaming>.

use arcllm::{ContentBlock, Event, Response, Text, Thinking, ToolCall, Usage};
use serde_json::{Value, json};

use crate::client::{
    client::{EventWriter, Heading},
    messages::{
        answer, block, citations, error,
        open_blocks::{Kind, OpenBlocks, write_event},
        signature,
        usage::UsageJson,
    },
    problem::Problem,
};

/// Writes the events of one answer.
pub(crate) struct Events {
    heading: Heading,
    has_begun: bool,
    blocks: OpenBlocks,
    /// How much text came in pieces and has not come whole, in bytes.
    text_pieces: usize,
    /// The same of reasoning.
    thought_pieces: usize,
}

impl Events {
    pub(crate) fn new(heading: Heading) -> Self {
        let (has_begun, blocks, text_pieces, thought_pieces) = Default::default();
        Self { heading, has_begun, blocks, text_pieces, thought_pieces }
    }

    /// Writes the beginning of the message, once, with what is counted by then.
    fn start(&mut self, usage: &Usage, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let message = json!({
            "id": answer::id(&self.heading),
            "type": "message",
            "role": "assistant",
            "model": self.heading.model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": UsageJson::so_far(usage),
        });
        write_event("message_start", &json!({"type": "message_start", "message": message}), out);
        ping(out);
    }

    fn add_text(&mut self, piece: &str, out: &mut Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        let place = self.blocks.going_on(|kind| matches!(kind, Kind::Text));
        let place = place.unwrap_or_else(|| self.blocks.push(Kind::Text));
        self.text_pieces += piece.len();
        self.blocks.add(place, piece, out);
    }

    fn add_thought(&mut self, piece: &str, out: &mut Vec<u8>) {
        let place = self.blocks.going_on(|kind| matches!(kind, Kind::Thinking));
        let place = place.unwrap_or_else(|| self.blocks.push(Kind::Thinking));
        self.thought_pieces += piece.len();
        self.blocks.add(place, piece, out);
    }

    fn end_tool(&mut self, number: usize, call: &ToolCall, out: &mut Vec<u8>) {
        let Some(place) = self.blocks.tool(number) else {
            self.blocks.push(Kind::Whole(ContentBlock::ToolUse(call.clone())));
            return;
        };
        if self.blocks.find(|kind| is_tool(kind, number)).is_some_and(|block| !block.has_pieces) {
            let input = serde_json::to_string(&call.arguments).unwrap_or_default();
            self.blocks.add(place, &input, out);
        }
        self.blocks.end(place);
    }

    /// A block is whole. If it came in pieces, only what pieces do not show is written.
    fn add_block(&mut self, whole: &ContentBlock) {
        match whole {
            ContentBlock::Text(text) if self.text_pieces > 0 => self.end_text(text),
            ContentBlock::Thinking(thinking) if self.thought_pieces > 0 && thinking.redacted.is_none() => {
                self.end_thought(thinking);
            }
            ContentBlock::Other(partial) if partial["type"] == "partial_tool_use" => self.end_partial(partial),
            whole if block::is_written(whole) => {
                self.blocks.push(Kind::Whole(whole.clone()));
            }
            _ => {}
        }
    }

    fn end_text(&mut self, text: &Text) {
        self.text_pieces = self.text_pieces.saturating_sub(text.text.len());
        let citations = text.extensions.get("anthropic.citations").and_then(Value::as_array);
        let cited = citations.into_iter().flatten().chain(&citations::of_text(text)).map(cites).collect::<Vec<_>>();
        match self.blocks.find(|kind| matches!(kind, Kind::Text)) {
            Some(block) => {
                block.last = cited;
                block.has_ended = true;
            }
            // Its pieces came with those of the text before.
            None => self.blocks.last_text().into_iter().for_each(|block| block.last.extend(cited.iter().cloned())),
        }
    }

    fn end_thought(&mut self, thinking: &Thinking) {
        self.thought_pieces = self.thought_pieces.saturating_sub(thinking.text.len());
        if let Some(block) = self.blocks.find(|kind| matches!(kind, Kind::Thinking)) {
            let signature = Some(signature::of(thinking)).filter(|signature| !signature.is_empty());
            let delta = |signature| json!({"type": "signature_delta", "signature": signature});
            block.last = signature.into_iter().map(delta).collect();
            block.has_ended = true;
        }
    }

    /// A tool call was cut. Why the answer ended tells it.
    fn end_partial(&mut self, partial: &Value) {
        if let Some(block) = self.blocks.find(|kind| matches!(kind, Kind::Tool(_, id, _) if partial["id"] == *id)) {
            block.has_ended = true;
        }
    }

    fn end(&mut self, response: &Response, out: &mut Vec<u8>) {
        // Some adapters tell nothing before the end.
        if self.blocks.has_none() {
            for block in response.content.iter().filter(|block| block::is_written(block)) {
                self.blocks.push(Kind::Whole(block.clone()));
            }
        }
        if let Some(text) = self.blocks.last_text() {
            text.last.extend(citations::of_annotations(response).iter().map(cites));
        }
        self.blocks.write_all(out);
        let delta = json!({
            "stop_reason": answer::stop_reason(response), "stop_sequence": answer::stop_sequence(response),
        });
        let usage = UsageJson::of(response);
        write_event("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage}), out);
        write_event("message_stop", &json!({"type": "message_stop"}), out);
    }
}

fn is_tool(kind: &Kind, number: usize) -> bool {
    matches!(kind, Kind::Tool(of, ..) if *of == number)
}

fn cites(citation: &Value) -> Value {
    json!({"type": "citations_delta", "citation": citation})
}

fn ping(out: &mut Vec<u8>) {
    write_event("ping", &json!({"type": "ping"}), out);
}

impl EventWriter for Events {
    /// The first event may tell what the input costs, so the message begins with it.
    fn begin(&mut self, _out: &mut Vec<u8>) {}

    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Usage(usage) => return self.start(usage, out),
            _ => self.start(&Usage::default(), out),
        }
        match event {
            Event::Text(piece) => self.add_text(piece, out),
            Event::Thinking(piece) => self.add_thought(piece, out),
            Event::ToolUseStart { index, id, name } => {
                self.blocks.push(Kind::Tool(*index, id.clone(), name.clone()));
            }
            Event::ToolArguments { index, json } => {
                if let Some(place) = self.blocks.tool(*index) {
                    self.blocks.add(place, json, out);
                }
            }
            Event::ToolUseEnd { index, call } => self.end_tool(*index, call, out),
            Event::Block(block) => self.add_block(block),
            Event::End(response) => return self.end(response, out),
            _ => {}
        }
        self.blocks.write(out);
    }

    fn fail(&mut self, problem: &Problem, out: &mut Vec<u8>) {
        let id = problem.request_id.clone().or_else(|| Some(self.heading.id.clone()));
        write_event("error", &error::json(&Problem { request_id: id, ..problem.clone() }), out);
    }

    /// A ping may stand before the message.
    fn keep_alive(&mut self, out: &mut Vec<u8>) {
        ping(out);
    }
}
