//! E-mail addresses: RFC 5321 allows 64 bytes before the `@` and 255 after it.

use crate::characters::{Characters, LETTER, is_word};

const LOCAL: usize = 64;
const DOMAIN: usize = 255;

/// What is known of the addresses around the last place.
#[derive(Default)]
pub(super) struct Emails {
    /// Up to here all characters may stand before an `@`.
    local: usize,
    /// The last `@`, and where the domain after it ends.
    domain: Option<(usize, Option<usize>)>,
}

impl Emails {
    /// Returns where the address ends that begins here.
    pub(super) fn at(&mut self, text: &Characters<'_>, at: usize) -> Option<usize> {
        let limit = at + LOCAL;
        self.local = self.local.max(at);
        while self.local <= limit
            && let Some((character, length)) = text.look(self.local)
            && (is_word(character) || character == LETTER || b".%+-".contains(&character))
        {
            self.local += length;
        }
        if self.local > limit || text.at(self.local) != Some(b'@') {
            return None;
        }
        match self.domain {
            Some((known, end)) if known == self.local => end,
            _ => {
                let end = domain(text, self.local + 1);
                self.domain = Some((self.local, end));
                end
            }
        }
    }
}

/// Returns where the domain ends that begins here: labels with dots between them, the last one of two letters or more.
fn domain(text: &Characters<'_>, start: usize) -> Option<usize> {
    let (mut at, mut end, mut is_beyond) = (start, None, false);
    let mut label = Label { start, is_top: false, letters: 0, others: 0 };
    while at - start <= DOMAIN {
        let (character, length) = text.look(at).unwrap_or((0, 0));
        let is_letter = character.is_ascii_alphabetic() || character == LETTER;
        // A number may begin after a letter beyond ASCII.
        let is_inside = character.is_ascii_alphanumeric() && !is_beyond;
        if !is_inside && label.may_be_last(text, at) {
            end = Some(at);
        }
        is_beyond = character == LETTER;
        match character {
            b'.' if at == label.start => break,
            b'.' => label = Label { start: at + 1, is_top: true, letters: 0, others: 0 },
            _ if is_letter => label.letters += 1,
            b'-' | b'0'..=b'9' => label.others += 1,
            _ => break,
        }
        at += length;
    }
    end
}

/// One label of a domain, as far as it is read.
struct Label {
    start: usize,
    /// Whether another label stands before it.
    is_top: bool,
    letters: usize,
    others: usize,
}

impl Label {
    fn may_be_last(&self, text: &Characters<'_>, at: usize) -> bool {
        let is_word = self.letters >= 2 && self.others == 0;
        let is_encoded =
            || text.text.get(self.start..at).is_some_and(|label| label.len() > 4 && label.starts_with("xn--"));
        self.is_top && (is_word || is_encoded())
    }
}
