//! Where personal data stands in a text. By hand and in one pass: a long conversation is searched within the time of a call.

use std::ops::Range;

use crate::config::Kind;

/// What of these kinds there is at this place of a text, and where it ends. `at` is the beginning of a character.
pub fn at(text: &str, at: usize, kinds: &[Kind]) -> Option<(Kind, Range<usize>)> {
    let bytes = text.as_bytes();
    let first = *bytes.get(at)?;
    let before = at.checked_sub(1).and_then(|before| bytes.get(before).copied());
    kinds.iter().find_map(|kind| {
        let found = match kind {
            Kind::Email => (first == b'@').then(|| email(bytes, at)).flatten(),
            _ if before.is_some_and(|before| before.is_ascii_alphanumeric() || before == b'_') => None,
            Kind::Iban => first.is_ascii_uppercase().then(|| iban(bytes, at)).flatten(),
            Kind::Card => first.is_ascii_digit().then(|| card(bytes, at)).flatten(),
            Kind::Ssn => shape(bytes, at, b"ddd-dd-dddd"),
            Kind::Ip => first.is_ascii_digit().then(|| ip(bytes, at, before)).flatten(),
            Kind::Phone => matches!(first, b'+' | b'(' | b'0'..=b'9').then(|| phone(bytes, at)).flatten(),
        };
        found.map(|range| (*kind, range))
    })
}

/// Whether a character may stand behind something that has ended.
fn ends(bytes: &[u8], end: usize) -> bool {
    !bytes.get(end).is_some_and(|after| after.is_ascii_alphanumeric() || *after == b'_')
}

/// RFC 5321 has 64 characters before the `@` and 255 behind it at most.
fn email(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte);
    let local = bytes.get(..at)?.iter().rev().take(64).take_while(|byte| is_local(byte)).count();
    let mut start = at - local;
    while bytes.get(start).is_some_and(|byte| b".%+-".contains(byte)) {
        start += 1;
    }
    let is_domain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    let length = bytes.get(at + 1..)?.iter().take(255).take_while(|byte| is_domain(byte)).count();
    let mut end = at + 1 + length;
    while bytes.get(end - 1).is_some_and(|byte| b".-".contains(byte)) {
        end -= 1;
    }
    let domain = bytes.get(at + 1..end)?;
    let top = domain.rsplit(|byte| *byte == b'.').next()?;
    let is_one = start < at
        && top.len() < domain.len()
        && top.len() >= 2
        && top.iter().all(u8::is_ascii_alphabetic)
        && domain.split(|byte| *byte == b'.').all(|label| !label.is_empty());
    is_one.then_some(start..end)
}

/// ISO 13616: a country, two digits of a sum, and up to thirty letters and digits, often in groups of four.
fn iban(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let mut code = Vec::new();
    let mut best = None;
    let mut end = at;
    while code.len() < 34 {
        match bytes.get(end) {
            Some(byte) if byte.is_ascii_uppercase() || byte.is_ascii_digit() => code.push(*byte),
            Some(b' ') if !code.is_empty() && code.len() % 4 == 0 => {
                end += 1;
                continue;
            }
            _ => break,
        }
        end += 1;
        if code.len() >= 15 && ends(bytes, end) && is_iban(&code) {
            best = Some(at..end);
        }
    }
    best
}

fn is_iban(code: &[u8]) -> bool {
    let (Some(country), Some(sum), Some(rest)) = (code.get(..2), code.get(2..4), code.get(4..)) else { return false };
    if !country.iter().all(u8::is_ascii_uppercase) || !sum.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let digits = rest.iter().chain(country).chain(sum).fold(0_u32, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    digits == 1
}

/// ISO 7812: thirteen to nineteen digits, single spaces or dashes between them, and the sum of Luhn.
fn card(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let (digits, end) = digits(bytes, at, b" -", 1, 20);
    let is_one = (13..=19).contains(&digits.len()) && ends(bytes, end) && luhn(&digits);
    is_one.then_some(at..end)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = (digits.iter().rev().enumerate())
        .map(|(at, digit)| match (at % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit < 5 => 2 * digit,
            (_, digit) => 2 * digit - 9,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// Digits with so many separators between them at most, and where the last one ends.
fn digits(bytes: &[u8], at: usize, separators: &[u8], between: usize, most: usize) -> (Vec<u8>, usize) {
    let (mut digits, mut end, mut next) = (Vec::new(), at, at);
    while let Some(byte) = bytes.get(next).filter(|_| digits.len() < most) {
        if byte.is_ascii_digit() {
            digits.push(byte - b'0');
            end = next + 1;
        } else if !separators.contains(byte) || next - end >= between {
            break;
        }
        next += 1;
    }
    (digits, end)
}

fn ip(bytes: &[u8], at: usize, before: Option<u8>) -> Option<Range<usize>> {
    if before == Some(b'.') {
        return None;
    }
    let mut end = at;
    for part in 0..4 {
        if part > 0 {
            (bytes.get(end) == Some(&b'.')).then_some(())?;
            end += 1;
        }
        let digits: Vec<u8> = bytes.get(end..)?.iter().take(4).copied().take_while(u8::is_ascii_digit).collect();
        let number: u16 = std::str::from_utf8(&digits).ok()?.parse().ok()?;
        (digits.len() <= 3 && number <= 255).then_some(())?;
        end += digits.len();
    }
    // A version or a section goes on.
    let goes_on = bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
    (ends(bytes, end) && !goes_on).then_some(at..end)
}

/// E.164 has fifteen digits at most. Without a `+` only what is written as a telephone number is.
fn phone(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    if bytes.get(at) == Some(&b'+') {
        let (digits, end) = digits(bytes, at + 1, b" -./()", 2, 16);
        return ((8..=15).contains(&digits.len()) && ends(bytes, end)).then_some(at..end);
    }
    let shapes: [&[u8]; 4] = [b"(ddd) ddd-dddd", b"(ddd)ddd-dddd", b"ddd-ddd-dddd", b"ddd.ddd.dddd"];
    let american = shapes.iter().find_map(|wanted| shape(bytes, at, wanted));
    american.or_else(|| {
        let (digits, end) = digits(bytes, at, b" -/", 1, 13);
        let has_separator = end - at > digits.len();
        let is_one =
            digits.first() == Some(&0) && (9..=12).contains(&digits.len()) && has_separator && ends(bytes, end);
        is_one.then_some(at..end)
    })
}

/// Whether what stands here is written so; `d` is a digit.
fn shape(bytes: &[u8], at: usize, wanted: &[u8]) -> Option<Range<usize>> {
    let end = at + wanted.len();
    let found = bytes.get(at..end)?;
    let fits = found.iter().zip(wanted).all(|(byte, wanted)| match wanted {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    });
    (fits && ends(bytes, end) && bytes.get(end) != Some(&b'-')).then_some(at..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a text, by kind.
    fn all(text: &str) -> Vec<(Kind, &str)> {
        let found = text.char_indices().filter_map(|(place, _)| at(text, place, &Kind::ALL));
        let mut found: Vec<_> = found.map(|(kind, range)| (kind, &text[range])).collect();
        found.dedup();
        found
    }

    #[test]
    fn personal_data_is_found() {
        for (kind, data) in [
            (Kind::Email, "jane.doe+news@mail.example.co.uk"),
            (Kind::Iban, "DE89 3704 0044 0532 0130 00"),
            (Kind::Iban, "GB82WEST12345698765432"),
            (Kind::Card, "4111 1111 1111 1111"),
            (Kind::Card, "378282246310005"),
            (Kind::Ssn, "078-05-1120"),
            (Kind::Ip, "192.168.0.254"),
            (Kind::Phone, "+49 (30) 1234-5678"),
            (Kind::Phone, "(555) 123-4567"),
            (Kind::Phone, "030 1234567"),
        ] {
            for text in [data.to_owned(), format!("é{data}."), format!("Write to <{data}>, now"), format!("({data}) ☎")]
            {
                let found = all(&text);
                assert!(found.contains(&(kind, data)), "{text}: {found:?}");
            }
        }
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        for text in [
            "a@b",
            "@example.com",
            "a@.com",
            "user@host",
            "4111 1111 1111 1112",
            "DE88370400440532013000",
            "1.2.3.4.5",
            "256.1.1.1",
            "v192.168.0.1x",
            "2024-01-02",
            "12345",
            "1234567890123",
            "order 100-20-300",
            "x078-05-1120",
            "3.14159",
            "0000000000000000",
        ] {
            assert_eq!(all(text), [], "{text}");
        }
    }
}
