//! An answer as it is kept.

use std::time::Duration;

use arcllm_module::types::{Extensions, ResponseParts};

use crate::bytes::Bytes;

/// The format of what is kept. A value of another format counts as absent: raise it with every change.
const FORMAT: u8 = 1;

/// In place of an answer: those of this request are not kept, so that equal calls wait for none of them.
pub(crate) const NOT_KEPT: &[u8] = &[0];

/// The extension of an answer from the cache, and of its tokens.
pub const CACHED: &str = "arcllm.cached";

/// An answer, and when it came.
pub struct Kept {
    /// When it came, in time since 1970.
    pub at: Duration,
    /// The answer.
    pub parts: ResponseParts,
}

impl Kept {
    /// Writes an answer that came at this time.
    pub fn write(at: Duration, parts: &ResponseParts) -> Vec<u8> {
        let mut out = vec![FORMAT];
        at.as_secs().write(&mut out);
        parts.write(&mut out);
        out
    }

    /// Reads what was written. `None` if it is anything else.
    pub fn read(mut from: &[u8]) -> Option<Self> {
        let from = &mut from;
        if u8::read(from)? != FORMAT {
            return None;
        }
        let (at, parts) = (Duration::from_secs(u64::read(from)?), ResponseParts::read(from)?);
        from.is_empty().then_some(Self { at, parts })
    }

    /// The answer, with the mark that it comes from the cache.
    pub fn marked(mut self) -> ResponseParts {
        mark(&mut self.parts.extensions);
        mark(&mut self.parts.usage.extensions);
        self.parts
    }
}

fn mark(extensions: &mut Extensions) {
    extensions.retain(|(key, _)| key != CACHED);
    extensions.push((CACHED.to_owned(), "true".to_owned()));
}

#[cfg(test)]
mod tests;
