//! Puts one answer together from the pieces of several.

use arcllm_module::{
    stream::{Event, Held},
    types::{ContentBlock, ResponseParts, StopReason, Text, Thinking, Usage},
};
use serde::de::IgnoredAny;

use crate::seam::{Asked, Seam};

/// An answer that is handed out as it comes, and goes on in another if it breaks off.
///
/// Tool calls wait until the answer is whole, with what comes after them: so none is handed out that could have to be asked again.
/// The block of a text waits for what follows it, because the text goes on in the next answer if nothing does.
#[derive(Debug, Default)]
pub struct Answer {
    /// All text that was handed out.
    said: String,
    /// What was handed out whole.
    content: Vec<ContentBlock>,
    /// The text that was handed out since the last whole block.
    text: String,
    /// The reasoning that was handed out since the last whole block.
    thinking: String,
    /// The whole block of the text that was handed out last, while the text may go on in another answer.
    ended: Option<Text>,
    /// The same of an answer that has broken off.
    broken: Option<Text>,
    held: Held,
    seam: Option<Seam>,
    /// Whether it has gone on in another answer.
    is_resumed: bool,
    /// The tokens of the answers that broke off.
    spent: Option<Usage>,
    /// The tokens of this one so far.
    counted: Option<Usage>,
}

impl Answer {
    /// Takes events, and returns those that can be handed out.
    pub fn events(&mut self, events: Vec<Event>) -> Vec<Event> {
        let mut out = Vec::with_capacity(events.len() + 1);
        for event in events {
            self.event(event, &mut out);
        }
        out
    }

    /// Notes that the answer has broken off. Returns what can still be handed out.
    pub fn broken(&mut self) -> Vec<Event> {
        let mut out = Vec::new();
        let new = self.seam.as_mut().map(Seam::broken).unwrap_or_default();
        self.say(new, &mut out);
        // A half tool call is thrown away.
        self.held = Held::default();
        self.broken = self.ended.take().or(self.broken.take());
        if !self.thinking.is_empty() {
            // Without its signature it is not sent back to a provider.
            let text = std::mem::take(&mut self.thinking);
            let thinking = Thinking { text, signature: None, redacted: None, provider: None, extensions: Vec::new() };
            self.block(ContentBlock::Thinking(thinking), &mut out);
        }
        self.spent = self.total(None);
        self.counted = None;
        out
    }

    /// Begins with the answer in which it goes on.
    pub fn resume(&mut self, asked: Asked) {
        self.is_resumed = true;
        self.seam = (!self.said.is_empty()).then(|| Seam::new(self.said.clone(), asked));
    }

    /// Whether its text is JSON, if it was joined of several and must be. One that is cut at its largest length cannot be.
    pub fn is_joined_json(&self, stop: &StopReason) -> bool {
        let is_whole = !matches!(stop, StopReason::MaxTokens) && !self.said.trim().is_empty();
        !self.is_resumed || !is_whole || serde_json::from_str::<IgnoredAny>(&self.said).is_ok()
    }

    /// Whether it goes on in another answer.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Returns all text that was handed out.
    pub fn said(&self) -> &str {
        &self.said
    }

    fn event(&mut self, event: Event, out: &mut Vec<Event>) {
        match event {
            Event::Usage(usage) => {
                self.counted = Some(usage.clone());
                out.push(Event::Usage(self.total(None).unwrap_or(usage)));
            }
            Event::End(parts) => self.end(parts, out),
            event if self.held.is_holding() || Held::begins_with(&event) => self.held.add(event),
            Event::Text(piece) => {
                let piece = match &mut self.seam {
                    Some(seam) => seam.add(&piece),
                    None => piece,
                };
                if self.ended.is_some() && !piece.is_empty() {
                    self.end_text(out);
                }
                self.say(piece, out);
            }
            // The text may still repeat another block.
            Event::Block(ContentBlock::Text(_)) if self.seam.as_ref().is_some_and(|seam| !seam.is_joined()) => {}
            Event::Block(ContentBlock::Text(text)) => {
                let is_refusal = is_refusal(&text);
                self.ended = Some(text);
                // It goes with its pieces, which would else be told as text. Nothing goes on with it.
                if is_refusal && !self.is_resumed {
                    self.end_text(out);
                }
            }
            // It would stand in the middle of the text that it goes on with.
            Event::Thinking(_) | Event::Block(ContentBlock::Thinking(_)) if self.is_continuing() => {}
            Event::Thinking(piece) => {
                self.close(out);
                self.thinking.push_str(&piece);
                out.push(Event::Thinking(piece));
            }
            Event::Block(block) => {
                self.close(out);
                if matches!(block, ContentBlock::Thinking(_)) {
                    self.thinking.clear();
                }
                self.block(block, out);
            }
            other => {
                self.close(out);
                out.push(other);
            }
        }
    }

    /// Whether it goes on with a text.
    fn is_continuing(&self) -> bool {
        self.is_resumed && !self.said.is_empty()
    }

    fn say(&mut self, piece: String, out: &mut Vec<Event>) {
        if !piece.is_empty() {
            self.said.push_str(&piece);
            self.text.push_str(&piece);
            out.push(Event::Text(piece));
        }
    }

    /// Hands out what the seam has kept.
    fn join(&mut self, out: &mut Vec<Event>) {
        let rest = self.seam.as_mut().map(Seam::end).unwrap_or_default();
        self.say(rest, out);
    }

    /// Ends the text, since something else follows.
    fn close(&mut self, out: &mut Vec<Event>) {
        self.join(out);
        self.end_text(out);
    }

    /// Hands out the block of the text.
    fn end_text(&mut self, out: &mut Vec<Event>) {
        let (ended, broken) = (self.ended.take(), self.broken.take());
        let text = std::mem::take(&mut self.text);
        let block = match (ended, broken) {
            (ended, _) if !self.is_resumed => ended,
            _ if text.is_empty() => None,
            (_, Some(broken)) if broken.text == text => Some(broken),
            (ended, broken) => ended
                .or(broken)
                .or(Some(Text { text: String::new(), cache: None, extensions: Vec::new() }))
                .map(|block| Text { text, ..block }),
        };
        if let Some(block) = block {
            self.block(ContentBlock::Text(block), out);
        }
    }

    fn block(&mut self, block: ContentBlock, out: &mut Vec<Event>) {
        self.content.push(block.clone());
        out.push(Event::Block(block));
    }

    fn end(&mut self, mut parts: ResponseParts, out: &mut Vec<Event>) {
        self.close(out);
        for event in self.held.take() {
            match &event {
                Event::ToolUseEnd(end) => self.content.push(ContentBlock::ToolUse(end.call.clone())),
                Event::Block(block) => self.content.push(block.clone()),
                _ => {}
            }
            out.push(event);
        }
        if self.is_resumed {
            parts.content = std::mem::take(&mut self.content);
            parts.usage = self.total(Some(&parts.usage)).unwrap_or(parts.usage);
        }
        out.push(Event::End(parts));
    }

    /// The tokens of all answers so far; `whole` are those of this one.
    fn total(&self, whole: Option<&Usage>) -> Option<Usage> {
        match (&self.spent, whole.or(self.counted.as_ref())) {
            (Some(spent), Some(counted)) => Some(spent.plus(counted)),
            (spent, counted) => spent.as_ref().or(counted).cloned(),
        }
    }
}

/// Whether the provider has marked the text as a refusal.
fn is_refusal(text: &Text) -> bool {
    text.extensions.iter().any(|(name, value)| name == "openai.responses.refusal" && value == "true")
}

#[cfg(test)]
mod tests;
