//! Makes JSON of text that is almost JSON, so that one bad character does not cost a whole answer.
//!
//! It runs only after a strict parser has refused the text, and reads it once.

use std::borrow::Cow;

use crate::adapter::format::halves;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The most bytes of a text that may be invalid UTF-8. Each becomes a character of three bytes.
const MOST_INVALID: usize = 64 * 1024;

/// How many bytes a repaired text may be longer than twice the text.
const MOST_ADDED: usize = 64 * 1024;

/// What becomes of half a character, where a text begins or ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halves {
    /// U+FFFD, as everywhere else.
    Replace,
    /// It waits for its other half, as [`halves`] describes.
    Keep,
}

/// The text as JSON, if something in it can be repaired: bytes that are not UTF-8, byte order marks, control characters and
/// wrong escapes in texts, halves of characters, numbers that no type holds, and a comma after the last item.
pub(crate) fn repaired(json: &[u8], halves: Halves) -> Option<Vec<u8>> {
    let text = utf8(json)?;
    let mut repair = Repair {
        text: text.as_bytes(),
        at: 0,
        out: Vec::with_capacity(text.len()),
        most: json.len().saturating_mul(2).saturating_add(MOST_ADDED),
        changed: matches!(text, Cow::Owned(_)),
        halves,
    };
    repair.all();
    (repair.changed && repair.out.len() <= repair.most).then_some(repair.out)
}

fn utf8(json: &[u8]) -> Option<Cow<'_, str>> {
    let invalid: usize = json.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    (invalid <= MOST_INVALID).then(|| String::from_utf8_lossy(json))
}

struct Repair<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
    most: usize,
    changed: bool,
    halves: Halves,
}

impl<'a> Repair<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn copy(&mut self, count: usize) {
        let bytes = self.rest();
        let bytes = bytes.get(..count).unwrap_or(bytes);
        self.out.extend_from_slice(bytes);
        self.at += bytes.len();
    }

    fn replace(&mut self, count: usize, by: &[u8]) {
        self.out.extend_from_slice(by);
        self.at += count;
        self.changed = true;
    }

    fn all(&mut self) {
        while let Some(byte) = self.rest().first().copied() {
            match byte {
                b'"' => self.string(),
                _ if self.rest().starts_with(BYTE_ORDER_MARK) => self.replace(BYTE_ORDER_MARK.len(), b""),
                b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => self.literal(),
                b',' if self.ends_after_comma() => self.replace(1, b""),
                b'\t' | b'\n' | b'\r' => self.copy(1),
                ..b' ' => self.replace(1, b""),
                _ => self.copy(1),
            }
            if self.out.len() > self.most {
                return;
            }
        }
    }

    /// Whether nothing but the end of an object or a list follows a comma.
    fn ends_after_comma(&self) -> bool {
        let after = self.rest().get(1..).unwrap_or_default().trim_ascii_start();
        matches!(after.first(), Some(b'}' | b']'))
    }

    /// Reads a number or a word.
    fn literal(&mut self) {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let length = self.rest().iter().take_while(|byte| is_part(byte)).count();
        let word = self.rest().get(..length).and_then(|word| std::str::from_utf8(word).ok()).unwrap_or_default();
        if serde_json::from_str::<serde_json::Value>(word).is_ok() {
            return self.copy(length);
        }
        match word.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                let number = serde_json::Value::from(number).to_string();
                self.replace(length, number.as_bytes());
            }
            // Too large, or `NaN`, `inf` and `Infinity`.
            Ok(_) => self.replace(length, b"null"),
            Err(_) => self.copy(length),
        }
    }

    fn string(&mut self) {
        self.copy(1);
        let start = self.out.len();
        loop {
            let plain = self.rest().iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..b' ')).count();
            self.copy(plain);
            match self.rest() {
                [b'"', ..] => return self.copy(1),
                [b'\\', b'u', ..] => self.unicode(start),
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.copy(2),
                // No escape: the character itself.
                [b'\\', _, ..] => self.replace(1, b"\\\\"),
                [b'\n', ..] => self.replace(1, b"\\n"),
                [b'\r', ..] => self.replace(1, b"\\r"),
                [b'\t', ..] => self.replace(1, b"\\t"),
                [control @ ..b' ', ..] => self.replace(1, format!("\\u{control:04x}").as_bytes()),
                [] | [_, ..] => return self.copy(1),
            }
            if self.out.len() > self.most {
                return;
            }
        }
    }

    /// Reads an escape such as `\u00e4` in a string whose text starts here in the output.
    fn unicode(&mut self, start: usize) {
        const ESCAPE: usize = 6;
        let Some(unit) = unit(self.rest()) else { return self.replace(1, b"\\\\") };
        let next = self.rest().get(ESCAPE..).unwrap_or_default();
        let is_edge = match unit {
            0xD800..=0xDBFF if unit_of_second(next) => return self.copy(2 * ESCAPE),
            0xD800..=0xDBFF => next.starts_with(b"\""),
            0xDC00..=0xDFFF => self.out.len() == start,
            _ => return self.copy(ESCAPE),
        };
        match self.halves {
            Halves::Keep if is_edge => {
                halves::write(unit, &mut self.out);
                self.replace(ESCAPE, b"");
            }
            Halves::Keep | Halves::Replace => self.replace(ESCAPE, "\u{fffd}".as_bytes()),
        }
    }
}

/// The number of an escape such as `\u00e4`.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn unit_of_second(text: &[u8]) -> bool {
    unit(text).is_some_and(|unit| (0xDC00..=0xDFFF).contains(&unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(json: &[u8]) -> Option<Value> {
        serde_json::from_slice(&repaired(json, Halves::Replace)?).ok()
    }

    #[test]
    fn what_is_repaired() {
        for (text, expected) in [
            (
                &br#"["\ud83d", "\ude00x", "a\ud83db", "\ud83d\ude00"]"#[..],
                json!(["\u{fffd}", "\u{fffd}x", "a\u{fffd}b", "😀"]),
            ),
            (br#"["\ud83d\ud83d\ude00", "\uD83Dn"]"#, json!(["\u{fffd}😀", "\u{fffd}n"])),
            (b"\xef\xbb\xbf{\"a\": \xef\xbb\xbf1}\xef\xbb\xbf", json!({"a": 1})),
            (
                b"[1e999, -1e999, NaN, Infinity, -Infinity, 01, .5, +2, 1.]",
                json!([null, null, null, null, null, 1.0, 0.5, 2.0, 1.0]),
            ),
            (b"[\"a\nb\tc\x00d\", true, 1]", json!(["a\nb\tc\u{0}d", true, 1])),
            (b"{\"a\": [1, 2,\n], \"b\": \",]\",}\x00", json!({"a": [1, 2], "b": ",]"})),
            (b"[\"\xff\xfeok\"]", json!(["\u{fffd}\u{fffd}ok"])),
            (br#"["it\'s", "C:\dir", "\u12", "\uzzzz"]"#, json!(["it\\'s", "C:\\dir", "\\u12", "\\uzzzz"])),
        ] {
            assert_eq!(read(text), Some(expected), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn what_is_not_repaired() {
        for text in [&b""[..], b"{", b"[1,,2]", b"<html>", br#"{"a": "b"#, br#"{"a": "\"#, b"nope", b"{'a': 1}"] {
            assert_eq!(repaired(text, Halves::Replace), None, "{}", String::from_utf8_lossy(text));
        }
        let invalid = [b"\"", &b"\xff".repeat(MOST_INVALID + 1)[..], b"\""].concat();
        assert_eq!(repaired(&invalid, Halves::Replace), None);
        let controls = [b"\"", &b"\x00".repeat(1 << 20)[..], b"\""].concat();
        assert_eq!(repaired(&controls, Halves::Replace), None, "it would be six times as long");
    }

    proptest! {
        #[test]
        fn what_is_json_needs_no_repair(text in r#"[\[\]{},:"a0 -e.\\u]{0,16}"#) {
            if serde_json::from_str::<Value>(&text).is_ok() {
                prop_assert_eq!(repaired(text.as_bytes(), Halves::Replace), None);
            }
        }

        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            for halves in [Halves::Replace, Halves::Keep] {
                if let Some(repaired) = repaired(&bytes, halves) {
                    prop_assert!(std::str::from_utf8(&repaired).is_ok());
                }
            }
        }
    }
}
