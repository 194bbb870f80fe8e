//! Payment card numbers: ISO 7812, 13 to 19 digits with Luhn's checksum.

use std::ops::RangeInclusive;

use super::digits::{Run, is_all};
use crate::characters::Characters;

const LENGTH: RangeInclusive<usize> = 13..=19;
const SEPARATORS: &[u8] = b" -";

/// What is known of the digits around the last place.
#[derive(Default)]
pub(super) struct Cards(Run);

impl Cards {
    /// Returns where the number ends that begins with this digit.
    ///
    /// It is all digits of the run, in any groups, or the first ones that are written like a card number: a date or another
    /// card often follows.
    pub(super) fn at(&mut self, text: &Characters<'_>, at: usize) -> Option<usize> {
        let (count, end) = self.0.reach(text, at, SEPARATORS, LENGTH.end() + 1);
        if count < *LENGTH.start() {
            return None;
        }
        let is_all = count <= *LENGTH.end() && is_all(text, end, SEPARATORS) && {
            let mut digits = Digits::default();
            let mut next = at;
            while next < end {
                let (character, length) = text.look(next)?;
                digits.add(character);
                next += length;
            }
            digits.are_right()
        };
        if is_all { Some(end) } else { grouped(text, at) }
    }
}

/// Returns where a number ends that is written as on a card: without separators or in groups of four and more digits (the
/// last may have fewer), with a first digit of payment cards.
fn grouped(text: &Characters<'_>, at: usize) -> Option<usize> {
    let (mut digits, mut group, mut next) = (Digits::default(), 0, at);
    loop {
        match text.look(next) {
            Some((digit, _)) if digit.is_ascii_digit() && digits.count < *LENGTH.end() => {
                digits.add(digit);
                group += 1;
                next += 1;
            }
            Some((separator, length)) if group >= 4 && SEPARATORS.contains(&separator) => {
                group = 0;
                next += length;
                continue;
            }
            _ => return None,
        }
        if digits.count == 2 && !digits.are_of_a_payment_card() {
            return None;
        }
        if digits.count >= *LENGTH.start() && text.ends(next) && digits.are_right() {
            // The shortest one, because another number may follow.
            return Some(next);
        }
    }
}

/// The digits of a number.
#[derive(Default)]
struct Digits {
    digits: [u8; *LENGTH.end()],
    count: usize,
}

impl Digits {
    /// Adds a character if it is a digit.
    fn add(&mut self, character: u8) {
        if let (true, Some(place)) = (character.is_ascii_digit(), self.digits.get_mut(self.count)) {
            *place = character - b'0';
            self.count += 1;
        }
    }

    fn are_of_a_payment_card(&self) -> bool {
        matches!(self.digits, [3..=6, ..] | [2, 2..=7, ..])
    }

    /// Checks Luhn's checksum.
    fn are_right(&self) -> bool {
        let digits = self.digits.get(..self.count).unwrap_or_default();
        let value = |(place, digit): (usize, &u8)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit < 5 => 2 * digit,
            (_, digit) => 2 * digit - 9,
        };
        let sum: u32 = digits.iter().rev().enumerate().map(value).sum();
        sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
    }
}
