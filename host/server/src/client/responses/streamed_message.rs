//! A message of a streamed answer.

use arcllm::{Extensions, Text};
use serde_json::Value;

use crate::client::{
    refusal::is_refusal,
    responses::{
        annotations,
        items::{self, Item, MessageItem, Part},
        line::Lines,
        message,
    },
};

/// A message that has begun.
pub(crate) struct StreamedMessage {
    /// Its place in the output.
    pub(crate) place: usize,
    id: String,
    /// The parts that have ended.
    parts: Vec<Part<'static>>,
    part: Option<StreamedPart>,
    /// The extensions of its first text.
    extensions: Extensions,
    /// How many texts are known to be whole.
    texts: usize,
}

/// A part that has begun.
#[derive(Default)]
struct StreamedPart {
    said: String,
    /// How much of it is known to be whole, in bytes. The pieces of two texts can come before either is whole.
    known: usize,
    /// The whole text, once it is known. The part stays open for annotations.
    whole: Option<Text>,
}

impl StreamedMessage {
    pub(crate) fn begin(answer: &str, place: usize, lines: &mut Lines<'_>) -> Self {
        let id = items::id("msg", answer, place);
        let message = Self { place, id, parts: Vec::new(), part: None, extensions: Extensions::new(), texts: 0 };
        let item = items::json(&message.item("in_progress"));
        lines.line("response.output_item.added").field("output_index", &place).json("item", &item).end();
        message
    }

    fn item(&self, status: &'static str) -> Item<'_> {
        Item::Message(MessageItem {
            id: self.id.clone(),
            r#type: "message",
            status,
            role: "assistant",
            content: self.parts.clone(),
            others: items::others_of_message(&self.extensions),
        })
    }

    /// Adds a piece of text.
    pub(crate) fn say(&mut self, piece: &str, lines: &mut Lines<'_>) {
        if self.part.as_ref().is_none_or(|part| part.whole.is_some()) {
            self.end_part(Vec::new(), lines);
            self.begin_part(&message::said(&Text::new(""), "".into()), lines);
        }
        let (place, index) = (self.place, self.parts.len());
        let Some(part) = &mut self.part else { return };
        part.said.push_str(piece);
        lines
            .line("response.output_text.delta")
            .field("item_id", &self.id)
            .field("output_index", &place)
            .field("content_index", &index)
            .field("delta", piece)
            .json("logprobs", b"[]")
            .end();
    }

    /// Learns the whole text of the part that is open.
    pub(crate) fn know(&mut self, text: &Text, lines: &mut Lines<'_>) {
        let said = self.part.as_ref().and_then(|part| part.said.get(part.known..)).unwrap_or_default();
        let rest = text.text.strip_prefix(said).filter(|rest| !rest.is_empty() && !is_refusal(text));
        if let Some(rest) = rest {
            self.say(rest, lines);
        }
        self.texts += 1;
        if self.extensions.is_empty() {
            self.extensions.clone_from(&text.extensions);
        }
        if let Some(part) = self.part.as_mut().filter(|_| !is_refusal(text)) {
            part.known = (part.known + text.text.len()).min(part.said.len());
            part.whole = Some(text.clone());
        }
        if is_refusal(text) {
            self.end_part(Vec::new(), lines);
            self.refuse(text.text.clone(), lines);
        }
    }

    /// How many texts are known to be whole.
    pub(crate) fn texts(&self) -> usize {
        self.texts
    }

    /// What was said of a text that is not known to be whole.
    pub(crate) fn unknown(&self) -> &str {
        let part = self.part.as_ref().filter(|part| part.whole.is_none());
        part.and_then(|part| part.said.get(part.known..)).unwrap_or_default()
    }

    /// All that was said here.
    pub(crate) fn said(&self) -> String {
        let ended = self.parts.iter().map(|part| match part {
            Part::OutputText { text, .. } => text.as_ref(),
            Part::Refusal { .. } => "",
        });
        ended.chain(self.part.iter().map(|part| part.said.as_str())).collect()
    }

    /// Adds a part that says that the model refuses.
    pub(crate) fn refuse(&mut self, refusal: String, lines: &mut Lines<'_>) {
        self.end_part(Vec::new(), lines);
        self.begin_part(&Part::Refusal { refusal: "".into() }, lines);
        for (kind, name) in [("response.refusal.delta", "delta"), ("response.refusal.done", "refusal")] {
            let line = lines.line(kind).field("item_id", &self.id).field("output_index", &self.place);
            line.field("content_index", &self.parts.len()).field(name, &refusal).end();
        }
        self.part = None;
        self.push(Part::Refusal { refusal: refusal.into() }, lines);
    }

    fn begin_part(&mut self, part: &Part<'_>, lines: &mut Lines<'_>) {
        self.part = Some(StreamedPart::default());
        let line = lines.line("response.content_part.added").field("item_id", &self.id);
        line.field("output_index", &self.place).field("content_index", &self.parts.len()).field("part", part).end();
    }

    /// Ends the part that is open. `more` are annotations that only the end of the answer shows.
    fn end_part(&mut self, more: Vec<Value>, lines: &mut Lines<'_>) {
        let Some(StreamedPart { said, whole, .. }) = self.part.take() else { return };
        let mut annotations = whole.as_ref().map(annotations::of_text).unwrap_or_default();
        annotations.extend(more);
        let (place, index) = (self.place, self.parts.len());
        for (at, annotation) in annotations.iter().enumerate() {
            let line = lines.line("response.output_text.annotation.added").field("item_id", &self.id);
            let line = line.field("output_index", &place).field("content_index", &index);
            line.field("annotation_index", &at).field("annotation", annotation).end();
        }
        let line = lines.line("response.output_text.done").field("item_id", &self.id).field("output_index", &place);
        line.field("content_index", &index).field("text", &said).json("logprobs", b"[]").end();
        let mut part = message::said(&whole.unwrap_or_else(|| Text::new("")), said.into());
        if let Part::OutputText { annotations: all, .. } = &mut part {
            *all = annotations;
        }
        self.push(part, lines);
    }

    fn push(&mut self, part: Part<'static>, lines: &mut Lines<'_>) {
        let line = lines.line("response.content_part.done").field("item_id", &self.id);
        line.field("output_index", &self.place).field("content_index", &self.parts.len()).field("part", &part).end();
        self.parts.push(part);
    }

    /// Ends the message. Returns its JSON.
    pub(crate) fn end(mut self, status: &'static str, more: Vec<Value>, lines: &mut Lines<'_>) -> Vec<u8> {
        self.end_part(more, lines);
        let item = items::json(&self.item(status));
        lines.line("response.output_item.done").field("output_index", &self.place).json("item", &item).end();
        item
    }
}
