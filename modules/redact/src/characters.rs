//! The characters of a text, as the search sees them.

use std::cell::Cell;

/// A letter beyond ASCII: Latin, Greek or Cyrillic.
pub(crate) const LETTER: u8 = 0x80;
/// Any other character beyond ASCII.
const OTHER: u8 = 0xff;

/// The characters of a text, or of the beginning of a text.
///
/// It notes when somebody looks past its end: a decision that needed those characters may change when they come. So the
/// findings in a text that comes in pieces are those in the whole text.
pub(crate) struct Characters<'a> {
    pub(crate) text: &'a str,
    ran_out: Cell<bool>,
    /// How often a character was looked at.
    #[cfg(test)]
    pub(crate) looks: Cell<usize>,
}

impl<'a> Characters<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            ran_out: Cell::new(false),
            #[cfg(test)]
            looks: Cell::new(0),
        }
    }

    /// Returns the character at this place, and its length in bytes. Spaces and hyphens of Unicode become those of ASCII, and
    /// letters beyond ASCII become [`LETTER`].
    pub(crate) fn look(&self, at: usize) -> Option<(u8, usize)> {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
        let Some(rest) = self.text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) else {
            self.ran_out.set(true);
            return None;
        };
        Some(match *rest {
            [first @ ..0x80, ..] => (first, 1),
            // The no-break space, and the spaces U+2000 to U+200A, U+202F, U+205F, U+3000.
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

    /// Returns the character at this place.
    pub(crate) fn at(&self, at: usize) -> Option<u8> {
        self.look(at).map(|(character, _)| character)
    }

    /// Returns whether a word may end here: no letter, digit or underscore of ASCII follows.
    pub(crate) fn ends(&self, at: usize) -> bool {
        !self.at(at).is_some_and(is_word)
    }

    /// Returns the byte before this place. It is a whole character if it is ASCII.
    pub(crate) fn before(&self, at: usize) -> Option<u8> {
        at.checked_sub(1).and_then(|before| self.text.as_bytes().get(before).copied())
    }

    /// Returns whether somebody looked past the end since this was last called.
    pub(crate) fn ran_out(&self) -> bool {
        self.ran_out.take()
    }
}

/// Returns whether a character is a letter, a digit or an underscore of ASCII.
pub(crate) fn is_word(character: u8) -> bool {
    character.is_ascii_alphanumeric() || character == b'_'
}
