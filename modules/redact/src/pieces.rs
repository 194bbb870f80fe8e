//! Rewrites a text that comes in pieces.

use crate::rewriter::Rewriter;

/// A text that comes in pieces.
///
/// Text is handed on when it is certain. Text that may be the beginning of something to replace is held back. That is at
/// most [`LONGEST`](crate::find::LONGEST) bytes, the longest placeholder that is put back, or the longest match of a pattern
/// in config.
#[derive(Debug, Default)]
pub struct Pieces {
    /// The last character that was handed on, and the text that is held back.
    held: String,
    /// Where the held text begins.
    from: usize,
    /// Whether a finding ends there.
    is_cut: bool,
}

impl Pieces {
    /// Adds a piece, and returns what can be handed on.
    pub fn add(&mut self, piece: &str, rewriter: &mut Rewriter<'_>) -> String {
        self.held.push_str(piece);
        let (rewritten, upto) = self.rewrite(rewriter, false);
        // A search looks at the character before its start.
        let kept = self.held.get(..upto).and_then(|done| done.chars().next_back()).map_or(0, char::len_utf8);
        self.held.drain(..upto - kept);
        self.from = kept;
        rewritten
    }

    /// Returns the rest of the text, because it has ended or broken off. The next piece begins a new text.
    pub fn end(&mut self, rewriter: &mut Rewriter<'_>) -> String {
        let (rewritten, _) = self.rewrite(rewriter, true);
        *self = Self::default();
        rewritten
    }

    /// Returns how many bytes are held back.
    pub fn held(&self) -> usize {
        self.held.len() - self.from
    }

    fn rewrite(&mut self, rewriter: &mut Rewriter<'_>, is_whole: bool) -> (String, usize) {
        let Self { held, from, is_cut } = self;
        let (mut rewritten, mut done) = (String::new(), *from);
        let (upto, cut) = rewriter.replace((held, is_whole), (*from, *is_cut), |range, with| {
            rewritten.push_str(held.get(done..range.start).unwrap_or_default());
            rewritten.push_str(with);
            done = range.end;
        });
        rewritten.push_str(held.get(done..upto).unwrap_or_default());
        *is_cut = cut;
        (rewritten, upto)
    }
}
