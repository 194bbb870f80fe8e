//! IPv4 addresses.

use super::is_placeholder;
use crate::characters::Characters;

/// Returns where the address ends that begins with this digit.
pub(super) fn at(text: &Characters<'_>, at: usize) -> Option<usize> {
    let mut end = at;
    for part in 0..4 {
        if part > 0 {
            (text.at(end) == Some(b'.')).then_some(())?;
            end += 1;
        }
        let (mut number, mut digits) = (0_u32, 0);
        while let Some(digit) = text.at(end).filter(u8::is_ascii_digit) {
            number = number * 10 + u32::from(digit - b'0');
            digits += 1;
            (digits <= 3 && number <= 255).then_some(())?;
            end += 1;
        }
        (digits > 0).then_some(())?;
    }
    // The numbers of versions and sections have more parts.
    let goes_on = text.at(end) == Some(b'.')
        && (text.at(end + 1).is_some_and(|next| next.is_ascii_digit()) || is_placeholder(text, end + 1));
    (text.ends(end) && !goes_on).then_some(end)
}
