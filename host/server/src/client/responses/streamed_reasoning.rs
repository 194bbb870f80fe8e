//! Reasoning of a streamed answer.

use arcllm::Thinking;

use crate::client::responses::{items, line::Lines};

/// Reasoning that has begun.
pub(crate) struct StreamedReasoning {
    /// Its place in the output.
    pub(crate) place: usize,
    id: String,
    said: String,
}

impl StreamedReasoning {
    pub(crate) fn begin(answer: &str, place: usize, lines: &mut Lines<'_>) -> Self {
        let id = items::id("rs", answer, place);
        let item = items::json(&items::begun_reasoning(id.clone()));
        lines.line("response.output_item.added").field("output_index", &place).json("item", &item).end();
        Self { place, id, said: String::new() }
    }

    /// Adds a piece.
    pub(crate) fn think(&mut self, piece: &str, lines: &mut Lines<'_>) {
        if self.said.is_empty() {
            self.tell_part("response.reasoning_summary_part.added", lines);
        }
        self.said.push_str(piece);
        self.tell("response.reasoning_summary_text.delta", "delta", piece, lines);
    }

    /// What was said here.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// Ends it. `whole` is the whole block, if it is known. Returns its JSON.
    pub(crate) fn end(mut self, whole: Option<&Thinking>, lines: &mut Lines<'_>) -> Vec<u8> {
        let rest = whole.and_then(|whole| whole.text.strip_prefix(self.said.as_str()));
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            self.think(rest, lines);
        }
        if !self.said.is_empty() {
            self.tell("response.reasoning_summary_text.done", "text", &self.said, lines);
            self.tell_part("response.reasoning_summary_part.done", lines);
        }
        let of_pieces = Thinking::new(std::mem::take(&mut self.said));
        let item = items::json(&items::reasoning(self.id, whole.unwrap_or(&of_pieces)));
        lines.line("response.output_item.done").field("output_index", &self.place).json("item", &item).end();
        item
    }

    fn tell(&self, kind: &str, name: &str, text: &str, lines: &mut Lines<'_>) {
        let line = lines.line(kind).field("item_id", &self.id).field("output_index", &self.place);
        line.json("summary_index", b"0").field(name, text).end();
    }

    fn tell_part(&self, kind: &str, lines: &mut Lines<'_>) {
        let line = lines.line(kind).field("item_id", &self.id).field("output_index", &self.place);
        line.json("summary_index", b"0").field("part", &items::summary_text(&self.said)).end();
    }
}
