//! Finds where personal data begins in a text, and where it ends.
//!
//! Whether something begins at a place depends on one character before it and a bounded number after it. So a search is one
//! pass, and an answer can be searched before it is whole. What several places need to know, such as where a run of digits
//! ends, is found out once for all of them.

mod card;
mod digits;
mod email;
mod iban;
mod ip;
mod phone;

use card::Cards;
use email::Emails;
use phone::Phones;

use crate::{
    characters::{Characters, is_word},
    settings::Kind,
};

/// How many bytes after the beginning of something are needed to decide on it. The longest is an e-mail address, with 64
/// bytes before the `@`, 255 after it, and the character that follows.
pub const LONGEST: usize = 64 + 1 + 255 + 5;

/// Looks for these kinds.
pub(crate) struct Finder<'a> {
    kinds: &'a [Kind],
    emails: Emails,
    cards: Cards,
    phones: Phones,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(kinds: &'a [Kind]) -> Self {
        Self { kinds, emails: Emails::default(), cards: Cards::default(), phones: Phones::default() }
    }

    /// Returns what begins at this place, and where it ends.
    ///
    /// The place must not be inside of a word, and must be later than in earlier calls. `before` is the character before it;
    /// none if that belongs to the last finding.
    pub(crate) fn begins(&mut self, text: &Characters<'_>, at: usize, before: Option<u8>) -> Option<(Kind, usize)> {
        let first = text.at(at)?;
        // If two kinds begin in the same place, the first wins.
        self.kinds.iter().find_map(|kind| {
            let end = match kind {
                Kind::Email if is_word(first) => self.emails.at(text, at),
                Kind::Iban if first.is_ascii_uppercase() => iban::at(text, at),
                Kind::Card if first.is_ascii_digit() => self.cards.at(text, at),
                Kind::Ssn if first.is_ascii_digit() => digits::shape(text, at, b"ddd-dd-dddd"),
                Kind::Ip if first.is_ascii_digit() && before != Some(b'.') => ip::at(text, at),
                Kind::Phone => self.phones.at(text, at, first),
                Kind::Email | Kind::Iban | Kind::Card | Kind::Ssn | Kind::Ip => None,
            };
            end.map(|end| (*kind, end))
        })
    }
}

/// Returns whether a placeholder may stand here. Digits before a separator and a placeholder were followed by other digits
/// in the original, so they are not a number of their own. Without this, redacting a redacted text would find more.
fn is_placeholder(text: &Characters<'_>, at: usize) -> bool {
    text.at(at) == Some(b'[') && text.at(at + 1).is_some_and(|letter| letter.is_ascii_uppercase())
}

#[cfg(test)]
pub(crate) mod tests;
