//! Replaces personal data in texts with placeholders, and puts it back.

use std::ops::Range;

use arcllm_module::types::{ContentBlock, Message, ResponseParts};

use crate::{
    json::json,
    placeholders::{Known, Placeholders},
    places,
    policy::Policy,
    quotes::Quotes,
    search::{Finding, Next, Search},
};

/// Rewrites the texts of one call.
pub struct Rewriter<'a> {
    /// What to look for.
    pub policy: &'a Policy,
    /// The placeholders of the values that are found.
    pub placeholders: &'a mut Placeholders,
    /// The placeholders that are put back.
    pub known: &'a Known,
}

impl Rewriter<'_> {
    /// Rewrites a text. Returns none if nothing is found in it.
    pub fn text(&mut self, text: &str) -> Option<String> {
        if self.has_nothing(text) {
            return None;
        }
        let (mut rewritten, mut end) = (String::new(), 0);
        self.replace((text, true), (0, false), |range, with| {
            if end == 0 {
                rewritten.reserve(text.len());
            }
            rewritten.push_str(text.get(end..range.start).unwrap_or_default());
            rewritten.push_str(with);
            end = range.end;
        });
        rewritten.push_str(text.get(end..).filter(|_| end > 0)?);
        Some(rewritten)
    }

    /// Returns whether a text certainly has no personal data, as most texts: every kind has a digit or an `@`.
    fn has_nothing(&self, text: &str) -> bool {
        let tells = |byte: &u8| byte.is_ascii_digit() || *byte == b'@';
        self.policy.patterns.is_empty() && self.known.is_empty() && !text.as_bytes().iter().any(tells)
    }

    /// Calls `put` with each range to replace and its new text, with the arguments of [`Search::new`]. Returns up to where the
    /// text is certain, and whether a finding ends there.
    pub(crate) fn replace(
        &mut self,
        text: (&str, bool),
        from: (usize, bool),
        mut put: impl FnMut(Range<usize>, &str),
    ) -> (usize, bool) {
        let mut search = Search::new(self.policy, self.known, text, from);
        loop {
            let (range, what) = match search.next() {
                Next::Found(range, what) => (range, what),
                Next::Nothing(from) => return (from, search.is_cut(from)),
            };
            let found = text.0.get(range.clone()).unwrap_or_default();
            let label = match what {
                Finding::Placeholder => {
                    put(range, self.known.get(found).unwrap_or(found));
                    continue;
                }
                Finding::Kind(kind) => kind.label(),
                Finding::Pattern(index) => {
                    self.policy.patterns.get(index).map(|pattern| pattern.label.as_str()).unwrap_or_default()
                }
            };
            let placeholder = self.placeholders.of(label, found);
            // A value that would be put back again stays.
            if self.known.get(&placeholder).is_none() {
                put(range, &placeholder);
            }
        }
    }

    /// Rewrites the texts of a block of an answer, and returns whether one has changed.
    pub fn block(&mut self, block: &mut ContentBlock) -> bool {
        places::block(block, Quotes::WrittenAnew, &mut |text| self.text(text))
    }

    /// Rewrites the texts of a message of the request, and returns whether one has changed.
    pub fn message(&mut self, message: &mut Message) -> bool {
        places::message(message, &mut |text| self.text(text))
    }

    /// Rewrites the texts of a whole answer, and returns whether one has changed.
    pub fn answer(&mut self, parts: &mut ResponseParts) -> bool {
        places::answer(parts, &mut |text| self.text(text))
    }

    /// Rewrites the strings in the arguments of a tool call. Returns none if nothing changes.
    pub(crate) fn arguments(&mut self, arguments: &str) -> Option<String> {
        json(arguments, &mut |text| self.text(text))
    }
}

#[cfg(test)]
pub(crate) mod tests;
