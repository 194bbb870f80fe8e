//! Digits with separators between them.

use super::is_placeholder;
use crate::characters::Characters;

/// A run of digits with single separators between them. It moves along with the search, so that each digit is counted once
/// for all places.
#[derive(Default)]
pub(super) struct Run {
    first: usize,
    /// Digits from `first` to `end`.
    count: usize,
    end: usize,
    /// The place to look at next.
    next: usize,
}

impl Run {
    /// Counts the digits from this digit on, up to `most`. Also returns where the last one ends.
    pub(super) fn reach(&mut self, text: &Characters<'_>, at: usize, separators: &[u8], most: usize) -> (usize, usize) {
        if at >= self.next {
            *self = Self { first: at, count: 0, end: at, next: at };
        }
        while self.first < at {
            let (character, length) = text.look(self.first).unwrap_or((0, 1));
            self.count -= usize::from(character.is_ascii_digit()).min(self.count);
            self.first += length;
        }
        while self.count < most {
            match text.look(self.next) {
                Some((character, _)) if character.is_ascii_digit() => {
                    self.count += 1;
                    self.next += 1;
                    self.end = self.next;
                }
                Some((character, length)) if self.next == self.end && separators.contains(&character) => {
                    self.next += length;
                }
                _ => break,
            }
        }
        (self.count, self.end)
    }
}

/// Returns whether a number is complete: neither a word nor a separator and a placeholder follows. The caller knows that no
/// digit follows.
pub(super) fn is_all(text: &Characters<'_>, end: usize, separators: &[u8]) -> bool {
    match text.look(end) {
        Some((character, length)) if separators.contains(&character) => !is_placeholder(text, end + length),
        _ => text.ends(end),
    }
}

/// Returns where a text of this shape ends, if one stands here. In the shape, `d` is a digit.
pub(super) fn shape(text: &Characters<'_>, at: usize, wanted: &[u8]) -> Option<usize> {
    let mut end = at;
    for wanted in wanted {
        let (character, length) = text.look(end)?;
        let fits = if *wanted == b'd' { character.is_ascii_digit() } else { character == *wanted };
        fits.then_some(())?;
        end += length;
    }
    (text.ends(end) && text.at(end) != Some(b'-')).then_some(end)
}
