//! A text that comes in pieces.

use crate::rewriter::Rewriter;

/// A text that comes in pieces. What is certain of it is handed on; what may be the beginning of something that is to be
/// replaced is held back: no more than [`LONGEST`](crate::find::LONGEST) bytes, the longest placeholder that is put back, or
/// what patterns of config may find.
#[derive(Debug, Default)]
pub struct Pieces {
    /// What is held back, behind the last character that was not.
    held: String,
    /// Where it begins.
    from: usize,
    /// Whether something was replaced that ends there.
    is_cut: bool,
}

impl Pieces {
    /// What can be handed on, now that this piece has come.
    pub fn add(&mut self, piece: &str, rewriter: &mut Rewriter<'_>) -> String {
        self.held.push_str(piece);
        let (rewritten, upto) = self.rewrite(rewriter, false);
        // A search looks at the character before.
        let kept = self.held.get(..upto).and_then(|done| done.chars().next_back()).map_or(0, char::len_utf8);
        self.held.drain(..upto - kept);
        self.from = kept;
        rewritten
    }

    /// The rest of the text, which is whole, or will never be. What comes next is another text.
    pub fn end(&mut self, rewriter: &mut Rewriter<'_>) -> String {
        let (rewritten, _) = self.rewrite(rewriter, true);
        *self = Self::default();
        rewritten
    }

    /// How many bytes are held back.
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
