//! Rewrites a streamed answer as it comes.

use std::{borrow::Cow, collections::BTreeMap, rc::Rc};

use arcllm_module::{
    stream::{Event, ToolArguments, ToolUseEnd},
    types::{ContentBlock, ResponseParts},
};

use crate::{
    json_block::is_partial,
    pieces::Pieces,
    placeholders::{Known, Placeholders},
    policy::Policy,
    quotes::{self, Quotes},
    rewrite::set,
    rewriter::Rewriter,
};

/// Rewrites the events of an answer. Pieces, blocks and the end still have the same text as each other.
///
/// Text is handed on as soon as it is certain. The arguments of a tool call are held back until the call is whole, because
/// only then can the strings in them be found.
pub struct AnswerRewriter {
    rules: Rules,
    text: Pieces,
    /// Whether a part of the last piece of text was handed on.
    is_cut: bool,
    /// How much text has come.
    length: usize,
    /// Where blocks of text ended, in the text of the answer. Nothing is found across such an end.
    ends: Vec<usize>,
    /// The arguments of the tool calls that are not whole, by their index.
    calls: BTreeMap<u32, String>,
}

/// What is replaced in an answer, and what is put back.
pub struct Rules {
    /// What is looked for.
    pub policy: Rc<Policy>,
    /// The placeholders of the values that were found.
    pub placeholders: Placeholders,
    /// The placeholders that are put back.
    pub known: Known,
}

impl Rules {
    /// Returns whether no answer is ever changed.
    pub fn is_idle(&self) -> bool {
        self.policy.is_empty() && self.known.is_empty()
    }

    /// Returns a rewriter for the texts of the answer.
    pub fn rewriter(&mut self) -> Rewriter<'_> {
        Rewriter { policy: &self.policy, placeholders: &mut self.placeholders, known: &self.known }
    }
}

impl AnswerRewriter {
    /// Begins with an answer.
    pub fn new(rules: Rules) -> Self {
        Self { rules, text: Pieces::default(), is_cut: false, length: 0, ends: Vec::new(), calls: BTreeMap::new() }
    }

    /// Rewrites these events, and returns those that can be handed on.
    pub fn events(&mut self, events: Vec<Event>) -> Vec<Event> {
        let mut rewritten = Vec::with_capacity(events.len() + 1);
        for event in events {
            self.event(event, &mut rewritten);
        }
        rewritten
    }

    /// Returns what was held back of an answer that has broken off. Arguments of a tool call are then rewritten as text.
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
                let certain = self.text.add(&piece, &mut self.rules.rewriter());
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
                self.rules.rewriter().block(&mut block);
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
        let arguments = self.rules.rewriter().arguments(&call.arguments);
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
        let rest = self.text.end(&mut self.rules.rewriter());
        match rewritten.last_mut() {
            _ if rest.is_empty() => {}
            // The rest belongs to the piece that came last.
            Some(Event::Text(piece)) if self.is_cut => piece.push_str(&rest),
            _ => rewritten.push(Event::Text(rest)),
        }
    }

    /// Hands on the arguments of tool calls that will never be whole.
    fn end_calls(&mut self, rewritten: &mut Vec<Event>) {
        for (index, json) in std::mem::take(&mut self.calls) {
            let json = self.rules.rewriter().text(&json).unwrap_or(json);
            rewritten.push(Event::ToolArguments(ToolArguments { index, json }));
        }
    }

    /// Rewrites the whole answer at its end. Blocks of text may be joined there: each part is rewritten as it was before.
    fn whole(&mut self, parts: &mut ResponseParts) {
        let (mut ends, mut start, mut is_changed) = (self.ends.iter().peekable(), 0, false);
        for block in &mut parts.content {
            let ContentBlock::Text(text) = block else {
                self.rules.rewriter().block(block);
                continue;
            };
            let (mut rewritten, mut rest) = (None::<String>, text.text.as_str());
            let end = start + rest.len();
            while let Some(at) = ends.next_if(|at| **at < end) {
                let (part, after) = rest.split_at(rest.floor_char_boundary(at.saturating_sub(end - rest.len())));
                let part = self.rules.rewriter().text(part).map_or(Cow::Borrowed(part), Cow::Owned);
                rewritten.get_or_insert_default().push_str(&part);
                rest = after;
            }
            let new = match (self.rules.rewriter().text(rest), rewritten) {
                (new, None) => new,
                (new, Some(before)) => Some(before + new.as_deref().unwrap_or(rest)),
            };
            let changes = new.as_ref().is_some_and(|new| *new != text.text);
            set(&mut text.text, |_| new);
            let mut rewriter = self.rules.rewriter();
            let rewrite = &mut |text: &str| rewriter.text(text);
            quotes::of_text(&mut text.extensions, changes, Quotes::WrittenAnew, rewrite);
            is_changed |= changes;
            start = end;
        }
        let mut rewriter = self.rules.rewriter();
        let rewrite = &mut |text: &str| rewriter.text(text);
        quotes::of_message(&mut parts.extensions, is_changed, Quotes::WrittenAnew, rewrite);
    }
}

#[cfg(test)]
mod tests;
