//! Where personal data begins in a text, and where it ends.
//!
//! Whether something begins at a place depends on a bounded number of characters behind it and on the one before it, so
//! that a search is one pass and an answer need not be whole to be searched. What several places have to know, such as
//! where the digits end that they are among, is found out once for all of them.

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
    settings::Kind,
    text::{Text, is_word},
};

/// The most bytes behind its beginning that are looked at to decide on something: an e-mail address has 64 before the
/// `@` and 255 behind it, and what follows must not belong to it.
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

    /// What begins at this place, and where it ends. The place is not in the midst of a word, and is later than the ones
    /// that were asked for before. `before` is the character before it, unless that belongs to what was found last.
    pub(crate) fn begins(&mut self, text: &Text<'_>, at: usize, before: Option<u8>) -> Option<(Kind, usize)> {
        let first = text.at(at)?;
        // Of two kinds that begin in the same place the first is right.
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

/// Whether a placeholder may stand here. Where digits go on with a separator and a placeholder, they went on with the digits
/// that it stands for: so what is redacted has nothing more to be redacted.
fn is_placeholder(text: &Text<'_>, at: usize) -> bool {
    text.at(at) == Some(b'[') && text.at(at + 1).is_some_and(|letter| letter.is_ascii_uppercase())
}

#[cfg(test)]
pub(crate) mod tests;
