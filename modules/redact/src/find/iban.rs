//! Bank account numbers: ISO 13616.

use crate::characters::Characters;

/// The shortest and the longest length.
const LENGTH: std::ops::RangeInclusive<usize> = 15..=34;

/// Returns where the number ends that begins here: a country, two check digits, and letters and digits, often in groups of
/// four.
pub(super) fn at(text: &Characters<'_>, at: usize) -> Option<usize> {
    let (mut end, mut best, mut spaces) = (at, None, 0);
    let mut code = Code::default();
    while code.length < *LENGTH.end() {
        match text.look(end) {
            Some((character, _)) if character.is_ascii_uppercase() || character.is_ascii_digit() => {
                code.add(character)?;
                spaces = 0;
                end += 1;
            }
            Some((b' ', length)) if code.length > 0 && code.length.is_multiple_of(4) && spaces < 2 => {
                spaces += 1;
                end += length;
                continue;
            }
            _ => break,
        }
        if LENGTH.contains(&code.length) && text.ends(end) && code.is_right() {
            best = Some(end);
        }
    }
    best
}

/// The part of a number that is read.
#[derive(Default)]
struct Code {
    length: usize,
    /// The remainder of the country and the check digits, which come last in the sum.
    head: u32,
    /// The remainder of the other characters.
    rest: u32,
}

impl Code {
    /// Adds a character. Returns none if no number has this character in this place.
    fn add(&mut self, character: u8) -> Option<()> {
        let is_right = if self.length < 2 { character.is_ascii_uppercase() } else { true };
        let is_right = is_right && (!(2..4).contains(&self.length) || character.is_ascii_digit());
        is_right.then_some(())?;
        let sum = if self.length < 4 { &mut self.head } else { &mut self.rest };
        *sum = match character {
            b'0'..=b'9' => *sum * 10 + u32::from(character - b'0'),
            _ => *sum * 100 + u32::from(character - b'A') + 10,
        } % 97;
        self.length += 1;
        Some(())
    }

    fn is_right(&self) -> bool {
        // Two letters and two digits count as six digits.
        (self.rest * (1_000_000 % 97) + self.head) % 97 == 1
    }
}
