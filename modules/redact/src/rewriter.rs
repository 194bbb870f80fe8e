//! Texts with placeholders in the place of personal data, and the other way round.

use std::ops::Range;

use arcllm_module::types::{ContentBlock, ToolResultBlock};
use serde_json::Value;

use crate::{
    json::json,
    placeholders::{Known, Placeholders},
    policy::Policy,
    search::{Next, Search, What},
};

/// Rewrites the texts of one call.
pub struct Rewriter<'a> {
    /// What is looked for.
    pub policy: &'a Policy,
    /// What stands for what is found.
    pub placeholders: &'a mut Placeholders,
    /// What is put back.
    pub known: &'a Known,
}

impl Rewriter<'_> {
    /// The text with all that is found in it replaced. None if nothing is.
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

    /// Whether a look at each byte tells that there is nothing to be found, as in most texts: every kind has a digit or an `@`.
    fn has_nothing(&self, text: &str) -> bool {
        let tells = |byte: &u8| byte.is_ascii_digit() || *byte == b'@';
        self.policy.patterns.is_empty() && self.known.is_empty() && !text.as_bytes().iter().any(tells)
    }

    /// Says what is to be replaced in a text, and with what, from some place on. As in [`Search::new`]. Returns up to where
    /// that is certain, and whether something was found that ends there.
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
                What::Placeholder => {
                    put(range, self.known.get(found).unwrap_or(found));
                    continue;
                }
                What::Kind(kind) => kind.label(),
                What::Pattern(index) => {
                    self.policy.patterns.get(index).map(|pattern| pattern.label.as_str()).unwrap_or_default()
                }
            };
            let placeholder = self.placeholders.of(label, found);
            // What is put back need not be taken out.
            if self.known.get(&placeholder).is_none() {
                put(range, &placeholder);
            }
        }
    }

    /// Rewrites what is said in this block. Whether anything was.
    pub fn block(&mut self, block: &mut ContentBlock) -> bool {
        match block {
            ContentBlock::Text(text) => set(&mut text.text, |text| self.text(text)),
            ContentBlock::ToolUse(call) => set(&mut call.arguments, |arguments| self.arguments(arguments)),
            ContentBlock::ToolResult(result) => {
                let mut is_changed = false;
                for block in &mut result.content {
                    if let ToolResultBlock::Text(text) = block {
                        is_changed |= set(&mut text.text, |text| self.text(text));
                    }
                }
                is_changed
            }
            ContentBlock::Other(json) => set(json, |json| self.partial(json)),
            ContentBlock::Image(_) | ContentBlock::Thinking(_) => false,
        }
    }

    /// The arguments of a tool with the texts in them rewritten. None if none is.
    pub(crate) fn arguments(&mut self, arguments: &str) -> Option<String> {
        json(arguments, &mut |text| self.text(text))
    }

    /// A call for a tool that was cut off has its arguments as text. Other blocks that have no case are left alone.
    fn partial(&mut self, block: &str) -> Option<String> {
        if !is_partial(block) {
            return None;
        }
        let mut block: Value = serde_json::from_str(block).ok()?;
        let arguments = block.get_mut("arguments")?;
        let rewritten = self.text(arguments.as_str()?)?;
        *arguments = rewritten.into();
        Some(block.to_string())
    }
}

/// Whether this block, in JSON, is a call for a tool that was cut off.
pub(crate) fn is_partial(block: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        r#type: std::borrow::Cow<'a, str>,
    }
    // The second question costs more than the first.
    block.contains("partial_tool_use")
        && serde_json::from_str::<Typed<'_>>(block).is_ok_and(|block| block.r#type == "partial_tool_use")
}

/// Whether it was rewritten.
fn set(text: &mut String, rewrite: impl FnOnce(&str) -> Option<String>) -> bool {
    let rewritten = rewrite(text);
    let is_changed = rewritten.is_some();
    if let Some(rewritten) = rewritten {
        *text = rewritten;
    }
    is_changed
}

#[cfg(test)]
pub(crate) mod tests;
