//! Digits with separators between them.

use super::is_placeholder;
use crate::text::Text;

/// Digits with single separators between them, from some place on. It moves along with the place, so that each digit is
/// counted once, from however many places one asks.
#[derive(Default)]
pub(super) struct Run {
    first: usize,
    /// Digits from `first` to `end`.
    count: usize,
    end: usize,
    /// How far was looked.
    next: usize,
}

impl Run {
    /// How many digits there are from this digit on, up to `most`, and where the last one ends.
    pub(super) fn reach(&mut self, text: &Text<'_>, at: usize, separators: &[u8], most: usize) -> (usize, usize) {
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

/// Whether these digits are all that is written: what follows is neither part of a word nor a separator and a placeholder.
/// That no digit follows is known.
pub(super) fn is_all(text: &Text<'_>, end: usize, separators: &[u8]) -> bool {
    match text.look(end) {
        Some((character, length)) if separators.contains(&character) => !is_placeholder(text, end + length),
        _ => text.ends(end),
    }
}

/// Where it ends if what stands here is written so; `d` is a digit.
pub(super) fn shape(text: &Text<'_>, at: usize, wanted: &[u8]) -> Option<usize> {
    let mut end = at;
    for wanted in wanted {
        let (character, length) = text.look(end)?;
        let fits = if *wanted == b'd' { character.is_ascii_digit() } else { character == *wanted };
        fits.then_some(())?;
        end += length;
    }
    (text.ends(end) && text.at(end) != Some(b'-')).then_some(end)
}
