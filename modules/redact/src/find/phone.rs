//! Telephone numbers. A number without a `+` must be written in a known form.

use super::{
    Finder,
    digits::{Run, is_all, shape},
};
use crate::{characters::Characters, settings::Kind};

/// The separators in a national number.
const SEPARATORS: &[u8] = b" -/";

/// What is known of the digits around the last place.
#[derive(Default)]
pub(super) struct Phones(Run);

impl Phones {
    /// Returns where the number ends that begins here.
    pub(super) fn at(&mut self, text: &Characters<'_>, at: usize, first: u8) -> Option<usize> {
        match first {
            b'+' => international(text, at + 1),
            b'(' => shape(text, at, b"(ddd) ddd-dddd").or_else(|| shape(text, at, b"(ddd)ddd-dddd")),
            b'0'..=b'9' => {
                let american = shape(text, at, b"ddd-ddd-dddd").or_else(|| shape(text, at, b"ddd.ddd.dddd"));
                american.or_else(|| (first == b'0').then(|| self.national(text, at)).flatten())
            }
            _ => None,
        }
    }

    /// Nine to twelve digits in groups, beginning with a zero.
    fn national(&mut self, text: &Characters<'_>, at: usize) -> Option<usize> {
        let (count, end) = self.0.reach(text, at, SEPARATORS, 13);
        let is_grouped = end - at > count;
        ((9..=12).contains(&count) && is_grouped && is_all(text, end, SEPARATORS)).then_some(end)
    }
}

/// Returns where a number after a `+` ends. E.164 allows fifteen digits. The number ends before another one begins.
fn international(text: &Characters<'_>, at: usize) -> Option<usize> {
    let (mut first, mut end, mut digits, mut separators, mut best) = (at, at, 0, 0, None);
    loop {
        if best.is_some() && separators > 0 && begins_another(text, end) {
            return best;
        }
        match text.look(end) {
            Some((digit, _)) if digit.is_ascii_digit() && digits < 15 => {
                first = if digits == 0 { end } else { first };
                (digits, separators) = (digits + 1, 0);
                end += 1;
            }
            // A card number after a `+` has more digits.
            Some((digit, _)) if digit.is_ascii_digit() => return best.filter(|_| !begins_another(text, first)),
            Some((separator, length)) if separators < 2 && b" -./()".contains(&separator) => {
                separators += 1;
                end += length;
                continue;
            }
            _ => return best,
        }
        if digits >= 8 && text.ends(end) {
            best = Some(end);
        }
    }
}

/// Returns whether another number, without a `+`, begins here.
fn begins_another(text: &Characters<'_>, at: usize) -> bool {
    let kinds = [Kind::Card, Kind::Ssn, Kind::Ip, Kind::Phone];
    let may_begin = text.at(at).is_some_and(|first| first.is_ascii_digit() || first == b'(');
    may_begin && Finder::new(&kinds).begins(text, at, None).is_some()
}
