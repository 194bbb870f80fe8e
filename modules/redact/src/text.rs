//! A text, character by character, as the search sees it.

use std::cell::Cell;

/// A letter beyond ASCII: Latin, Greek or Cyrillic.
pub(crate) const LETTER: u8 = 0x80;
/// Any other character beyond ASCII.
const OTHER: u8 = 0xff;

/// A text, or the beginning of one that is still coming.
///
/// It notes when it is looked at behind its end: what was decided then may change with the characters that are still to
/// come. So a text that comes in pieces is decided as the whole text would be, whatever a decision hangs on.
pub(crate) struct Text<'a> {
    pub(crate) text: &'a str,
    ran_out: Cell<bool>,
    /// How often a character was looked at.
    #[cfg(test)]
    pub(crate) looks: Cell<usize>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            ran_out: Cell::new(false),
            #[cfg(test)]
            looks: Cell::new(0),
        }
    }

    /// The character at this place and its length in bytes. ASCII is itself; a space or a hyphen of Unicode's is the one of
    /// ASCII; a letter is [`LETTER`].
    pub(crate) fn look(&self, at: usize) -> Option<(u8, usize)> {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
        let Some(rest) = self.text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) else {
            self.ran_out.set(true);
            return None;
        };
        Some(match *rest {
            [first @ ..0x80, ..] => (first, 1),
            // No-break space; those of U+2000 to U+200A, U+202F, U+205F, U+3000.
            [0xc2, 0xa0, ..] => (b' ', 2),
            [0xe2, 0x80, 0x80..=0x8a | 0xaf, ..] | [0xe2, 0x81, 0x9f, ..] | [0xe3, 0x80, 0x80, ..] => (b' ', 3),
            // Hyphens and short dashes: U+2010 to U+2013.
            [0xe2, 0x80, 0x90..=0x93, ..] => (b'-', 3),
            // U+00C0 to U+052F.
            [0xc3..=0xd4, ..] => (LETTER, 2),
            [..0xe0, ..] => (OTHER, 2),
            [0xe0..0xf0, ..] => (OTHER, 3),
            _ => (OTHER, 4),
        })
    }

    /// The character at this place.
    pub(crate) fn at(&self, at: usize) -> Option<u8> {
        self.look(at).map(|(character, _)| character)
    }

    /// Whether a word may end here: no letter, digit or underscore of ASCII follows.
    pub(crate) fn ends(&self, at: usize) -> bool {
        !self.at(at).is_some_and(is_word)
    }

    /// The byte before this place, which is all of a character if it is ASCII.
    pub(crate) fn before(&self, at: usize) -> Option<u8> {
        at.checked_sub(1).and_then(|before| self.text.as_bytes().get(before).copied())
    }

    /// Whether it was looked at behind its end since the last time that this was asked.
    pub(crate) fn ran_out(&self) -> bool {
        self.ran_out.take()
    }
}

/// Whether it is a letter, a digit or an underscore of ASCII.
pub(crate) fn is_word(character: u8) -> bool {
    character.is_ascii_alphanumeric() || character == b'_'
}
