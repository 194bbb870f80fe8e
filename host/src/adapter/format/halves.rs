//! Characters whose two halves arrive in two pieces of a text.
//!
//! JSON writes a character beyond U+FFFF as two escapes. Some servers cut a text between them. Rust's strings cannot hold
//! half a character. So a half at the edge of a text is held as three noncharacters, which Unicode leaves for such uses, until
//! the next piece shows its other half. A half without another becomes U+FFFD.

use serde_json::Value;

/// The first of the 32 noncharacters that a half is written with.
const FIRST: u32 = 0xFDD0;

/// The bytes of the three noncharacters.
const LENGTH: usize = 9;

/// The first half of a character is below this.
const SECOND_HALVES: u16 = 0xDC00;

/// The fields in which texts arrive in pieces. Half a character at the edge of any other text has no other half.
const IN_PIECES: [&str; 12] = [
    "content",
    "text",
    "reasoning_content",
    "reasoning",
    "thinking",
    "refusal",
    "name",
    "arguments",
    "partial_json",
    "delta",
    "input",
    "transcript",
];

/// Writes half a character.
pub(crate) fn write(half: u16, out: &mut Vec<u8>) {
    let bits = u32::from(half & 0x7FF);
    let letters = [bits >> 6, (bits >> 1) & 31, bits & 1].map(|bits| char::from_u32(FIRST + bits));
    let text: String = letters.into_iter().flatten().collect();
    out.extend_from_slice(text.as_bytes());
}

/// Reads half a character.
fn read(text: &str) -> Option<u16> {
    if text.len() != LENGTH {
        return None;
    }
    let mut bits = text.chars().map(|letter| u32::from(letter).checked_sub(FIRST).filter(|bits| *bits < 32));
    let (high, middle, low) = (bits.next()??, bits.next()??, bits.next()??);
    u16::try_from(0xD800 + (high << 6) + (middle << 1) + low).ok().filter(|_| low < 2)
}

/// The second half at the start of a text, and the rest.
fn second_at_start(text: &str) -> Option<(u16, &str)> {
    let (start, rest) = text.split_at_checked(LENGTH)?;
    read(start).filter(|half| *half >= SECOND_HALVES).map(|half| (half, rest))
}

/// The first half at the end of a text, and what is before it.
fn first_at_end(text: &str) -> Option<(&str, u16)> {
    let (rest, end) = text.split_at_checked(text.len().checked_sub(LENGTH)?)?;
    read(end).filter(|half| *half < SECOND_HALVES).map(|half| (rest, half))
}

/// A text that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct JoinedText {
    pub(crate) text: String,
    /// The first half of the character at the end.
    half: Option<u16>,
}

impl JoinedText {
    /// Adds a piece. Returns what the text has gained.
    pub(crate) fn push(&mut self, piece: String) -> String {
        if piece.is_empty() {
            return piece;
        }
        let gained = self.gained(piece);
        self.text.push_str(&gained);
        gained
    }

    fn gained(&mut self, piece: String) -> String {
        let (first, second, end) = (self.half.take(), second_at_start(&piece), first_at_end(&piece));
        if first.is_none() && second.is_none() && end.is_none() {
            return piece;
        }
        let mut gained = String::with_capacity(piece.len() + 3);
        let mut rest = &*piece;
        match (first, second) {
            (Some(first), Some((second, after))) => {
                gained.extend(char::decode_utf16([first, second]).flatten());
                rest = after;
            }
            (None, Some((_, after))) => {
                gained.push(char::REPLACEMENT_CHARACTER);
                rest = after;
            }
            (Some(_), None) => gained.push(char::REPLACEMENT_CHARACTER),
            (None, None) => {}
        }
        if let Some((before, half)) = first_at_end(rest) {
            self.half = Some(half);
            rest = before;
        }
        gained.push_str(rest);
        gained
    }

    /// Adds what the whole text has more than the pieces so far, and returns that. Pieces that say something else hold.
    pub(crate) fn catch_up(&mut self, whole: &str) -> String {
        match whole.strip_prefix(&*self.text).filter(|_| self.half.is_none()) {
            Some(rest) => self.push(rest.to_owned()),
            None => String::new(),
        }
    }

    /// Ends the text here. Returns what it gains if it ends with half a character.
    pub(crate) fn end(&mut self) -> Option<char> {
        self.half.take().map(|_| {
            self.text.push(char::REPLACEMENT_CHARACTER);
            char::REPLACEMENT_CHARACTER
        })
    }

    /// Takes the whole text.
    pub(crate) fn take(&mut self) -> String {
        self.end();
        std::mem::take(&mut self.text)
    }
}

/// Replaces each half at the edge of a text by U+FFFD, except in fields whose texts arrive in pieces.
pub(crate) fn replace(value: &mut Value) {
    match value {
        Value::String(text) => {
            let mut whole = JoinedText::default();
            if second_at_start(text).is_some() || first_at_end(text).is_some() {
                whole.push(std::mem::take(text));
                *text = whole.take();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(replace),
        Value::Object(fields) => {
            let in_pieces = |name: &String, value: &Value| value.is_string() && IN_PIECES.contains(&&**name);
            fields.iter_mut().filter(|(name, value)| !in_pieces(name, value)).for_each(|(_, value)| replace(value));
            let odd = |name: &String| second_at_start(name).is_some() || first_at_end(name).is_some();
            if fields.keys().any(odd) {
                let named = std::mem::take(fields).into_iter().map(|(name, value)| {
                    let mut whole = JoinedText::default();
                    whole.push(name);
                    (whole.take(), value)
                });
                *fields = named.collect();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn half(half: u16) -> String {
        let mut text = Vec::new();
        write(half, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_half_is_read_as_it_was_written() {
        for unit in 0xD800..=0xDFFF {
            assert_eq!(read(&half(unit)), Some(unit));
        }
        assert_eq!(read("\u{fdd0}\u{fdd0}\u{fdd2}"), None);
    }

    #[test]
    fn halves_are_joined_and_half_a_character_is_replaced() {
        let (first, second) = (half(0xD83D), half(0xDE00));
        for (pieces, expected) in [
            (vec![first.clone(), second.clone()], "😀"),
            (vec![format!("a{first}"), format!("{second}b")], "a😀b"),
            (vec![format!("a{first}"), String::new(), format!("{second}{first}"), second.clone()], "a😀😀"),
            (vec![first.clone(), "b".into()], "\u{fffd}b"),
            (vec!["a".into(), second.clone()], "a\u{fffd}"),
            (vec![first.clone(), first.clone()], "\u{fffd}\u{fffd}"),
            (vec!["\u{fdd0}".into()], "\u{fdd0}"),
        ] {
            let mut text = JoinedText::default();
            let mut gained: String = pieces.iter().map(|piece| text.push(piece.clone())).collect();
            gained.extend(text.end());
            assert_eq!((gained.as_str(), text.take().as_str()), (expected, expected), "{pieces:?}");
        }
    }

    #[test]
    fn only_texts_that_arrive_in_pieces_keep_halves() {
        let first = half(0xD83D);
        let mut value = json!({"id": first, "list": [first], first.clone(): 1, "text": first, "content": [first]});
        replace(&mut value);
        let fffd = "\u{fffd}";
        assert_eq!(value, json!({"id": fffd, "list": [fffd], fffd: 1, "text": first, "content": [fffd]}));
    }
}
