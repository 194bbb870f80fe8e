//! An answer that is rewritten as it comes.

use std::{borrow::Cow, collections::BTreeMap, rc::Rc};

use arcllm_module::{
    stream::{Event, ToolArguments, ToolUseEnd},
    types::{ContentBlock, ResponseParts},
};

use crate::{
    pieces::Pieces,
    placeholders::{Known, Placeholders},
    policy::Policy,
    rewriter::{Rewriter, is_partial},
};

/// Rewrites the events of an answer. The pieces, the blocks and the end say the same, as they do in what comes in.
///
/// Text is handed on as soon as it is certain. The arguments of a call for a tool are held back until the call is whole:
/// only then can the texts in them be told, and only then can it be acted on.
pub struct Answer {
    call: Call,
    text: Pieces,
    /// Whether a part of the last piece was handed on.
    is_cut: bool,
    /// How much text has come.
    length: usize,
    /// Where blocks of text ended, in the text of the answer: what stands on both sides of that is not one thing.
    ends: Vec<usize>,
    /// The arguments of the calls that are not whole.
    calls: BTreeMap<u32, String>,
}

/// What is looked for in an answer, and what is put back.
pub struct Call {
    /// What is looked for.
    pub policy: Rc<Policy>,
    /// What stands for what was found.
    pub placeholders: Placeholders,
    /// What is put back.
    pub known: Known,
}

impl Call {
    /// Whether an answer stays what it is, whatever it says.
    pub fn is_idle(&self) -> bool {
        self.policy.is_empty() && self.known.is_empty()
    }

    /// Rewrites the texts of the answer.
    pub fn rewriter(&mut self) -> Rewriter<'_> {
        Rewriter { policy: &self.policy, placeholders: &mut self.placeholders, known: &self.known }
    }
}

impl Answer {
    /// An answer that begins.
    pub fn new(call: Call) -> Self {
        Self { call, text: Pieces::default(), is_cut: false, length: 0, ends: Vec::new(), calls: BTreeMap::new() }
    }

    /// What becomes of these events.
    pub fn events(&mut self, events: Vec<Event>) -> Vec<Event> {
        let mut rewritten = Vec::with_capacity(events.len() + 1);
        for event in events {
            self.event(event, &mut rewritten);
        }
        rewritten
    }

    /// What was held back of an answer that has broken off. A call for a tool that is not whole is told as text.
    pub fn broken(&mut self) -> Vec<Event> {
        let mut rest = Vec::new();
        self.end_text(&mut rest);
        self.end_calls(&mut rest);
        rest
    }

    fn event(&mut self, event: Event, rewritten: &mut Vec<Event>) {
        let event = match event {
            Event::Text(piece) => {
                self.length += piece.len();
                let certain = self.text.add(&piece, &mut self.call.rewriter());
                self.is_cut = !certain.is_empty();
                if certain.is_empty() {
                    return;
                }
                Event::Text(certain)
            }
            Event::ToolArguments(ToolArguments { index, json }) => {
                self.calls.entry(index).or_default().push_str(&json);
                return;
            }
            Event::ToolUseEnd(end) => self.tool_use_end(end, rewritten),
            Event::Block(mut block) => {
                match &block {
                    ContentBlock::Text(_) => {
                        self.end_text(rewritten);
                        self.ends.push(self.length);
                    }
                    ContentBlock::Other(json) if is_partial(json) => self.end_calls(rewritten),
                    _ => {}
                }
                self.call.rewriter().block(&mut block);
                Event::Block(block)
            }
            Event::End(mut parts) => {
                self.end_text(rewritten);
                self.end_calls(rewritten);
                self.whole(&mut parts);
                Event::End(parts)
            }
            Event::Thinking(_) | Event::ToolUseStart(_) | Event::Usage(_) | Event::Other(_) => event,
        };
        rewritten.push(event);
    }

    fn tool_use_end(&mut self, end: ToolUseEnd, rewritten: &mut Vec<Event>) -> Event {
        let ToolUseEnd { index, mut call } = end;
        let arguments = self.call.rewriter().arguments(&call.arguments);
        if let Some(pieces) = self.calls.remove(&index) {
            let json = arguments.clone().unwrap_or(pieces);
            rewritten.push(Event::ToolArguments(ToolArguments { index, json }));
        }
        if let Some(arguments) = arguments {
            call.arguments = arguments;
        }
        Event::ToolUseEnd(ToolUseEnd { index, call })
    }

    fn end_text(&mut self, rewritten: &mut Vec<Event>) {
        let rest = self.text.end(&mut self.call.rewriter());
        match rewritten.last_mut() {
            _ if rest.is_empty() => {}
            // A piece that comes with the end of its text is one.
            Some(Event::Text(piece)) if self.is_cut => piece.push_str(&rest),
            _ => rewritten.push(Event::Text(rest)),
        }
    }

    /// No call that has begun becomes whole any more.
    fn end_calls(&mut self, rewritten: &mut Vec<Event>) {
        for (index, json) in std::mem::take(&mut self.calls) {
            let json = self.call.rewriter().text(&json).unwrap_or(json);
            rewritten.push(Event::ToolArguments(ToolArguments { index, json }));
        }
    }

    /// Rewrites all of the answer. Text that has come in several blocks may be one in the end, and stays what was told.
    fn whole(&mut self, parts: &mut ResponseParts) {
        let (mut ends, mut start) = (self.ends.iter().peekable(), 0);
        for block in &mut parts.content {
            let ContentBlock::Text(text) = block else {
                self.call.rewriter().block(block);
                continue;
            };
            let (mut rewritten, mut rest) = (None::<String>, text.text.as_str());
            let end = start + rest.len();
            while let Some(at) = ends.next_if(|at| **at < end) {
                let (told, after) = rest.split_at(rest.floor_char_boundary(at.saturating_sub(end - rest.len())));
                let told = self.call.rewriter().text(told).map_or(Cow::Borrowed(told), Cow::Owned);
                rewritten.get_or_insert_default().push_str(&told);
                rest = after;
            }
            match (self.call.rewriter().text(rest), rewritten) {
                (None, None) => {}
                (Some(new), None) => text.text = new,
                (new, Some(before)) => text.text = before + new.as_deref().unwrap_or(rest),
            }
            start = end;
        }
    }
}

#[cfg(test)]
mod tests;
