//! Reads the body of a request as JSON.

use std::fmt;

use http::StatusCode;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::client::{place::Place, problem::Problem, unique};

/// The most values of a body. Each takes up to a hundred bytes of memory, however short it is in the body.
const MOST_VALUES: u32 = 1_000_000;

/// A body of fewer bytes cannot have many values, and they are not counted.
const UNCOUNTED: usize = 1 << 20;

/// What some editors and languages write in front of a text (RFC 8259, 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How many lists and objects may stand inside of each other, and how `serde_json` begins its error for more.
const DEEPEST: usize = 127;
const TOO_DEEP: &str = "recursion limit exceeded";

/// Reads a body.
///
/// # Errors
///
/// If it is no JSON, has a key twice in one object, or has more values than the gateway reads.
pub(crate) fn read(body: &[u8]) -> Result<Value, Problem> {
    if body.len() > UNCOUNTED && has_too_many(body) {
        let message = format!("the body has more than {MOST_VALUES} JSON values, which is the limit of this gateway");
        let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message);
        return Err(Problem { should_retry: Some(false), ..problem });
    }
    unique::read(body).map_err(|error| {
        let no_json = || {
            let message = if body.starts_with(BYTE_ORDER_MARK) {
                "the body begins with a byte order mark, which JSON does not have: leave it out".to_owned()
            } else if error.to_string().starts_with(TOO_DEEP) {
                format!("the body has more than {DEEPEST} lists and objects inside of each other")
            } else {
                format!("the body is not JSON: {error}")
            };
            Problem { param: Some("body".to_owned()), ..Problem::new(StatusCode::BAD_REQUEST, message) }
        };
        let repeated = || unique::repeated(body, &Place::Body);
        half_character(body).or_else(repeated).unwrap_or_else(no_json)
    })
}

fn has_too_many(body: &[u8]) -> bool {
    let mut left = MOST_VALUES;
    let mut json = serde_json::Deserializer::from_slice(body);
    // A body that is no JSON is refused when it is read.
    let _ = Counter(&mut left).deserialize(&mut json);
    left == 0
}

/// Counts values down to zero, which is an error.
struct Counter<'a>(&'a mut u32);

impl<'de> DeserializeSeed<'de> for Counter<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        *self.0 = self.0.saturating_sub(1);
        if *self.0 == 0 { Err(D::Error::custom("too many values")) } else { json.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for Counter<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Counter(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_key::<serde::de::IgnoredAny>()?.is_some() {
            fields.next_value_seed(Counter(self.0))?;
        }
        Ok(())
    }
}

/// The problem of a body with half of a character, as JavaScript writes a text that it has cut in the middle of an emoji.
fn half_character(body: &[u8]) -> Option<Problem> {
    let (whole, escape) = without_halves(body)?;
    let value = serde_json::from_slice::<Value>(&whole).ok()?;
    let path = path_of_mark(&value, &Place::Body)?;
    let message = format!("holds `{escape}`, which is half of a character: cut texts between characters");
    Some(Problem::bad_field(path, message))
}

/// Stands for the first half of a character. Unicode leaves it for such uses.
const MARK: char = '\u{fdd0}';

/// The body with a mark for the first escape that is half of a character and U+FFFD for the others, and that escape.
fn without_halves(body: &[u8]) -> Option<(Vec<u8>, String)> {
    const ESCAPE: usize = 6;
    let (mut whole, mut rest, mut first) = (Vec::with_capacity(body.len()), body, None);
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at(at);
        whole.extend_from_slice(before);
        let length = match (unit(escape), escape.get(ESCAPE..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 2 * ESCAPE,
            (Some(0xD800..=0xDFFF), _) => {
                let written = String::from_utf8_lossy(escape.get(..ESCAPE).unwrap_or_default()).into_owned();
                let stands_for = if first.is_none() { MARK } else { char::REPLACEMENT_CHARACTER };
                whole.extend_from_slice(stands_for.encode_utf8(&mut [0; 4]).as_bytes());
                first.get_or_insert(written);
                rest = escape.get(ESCAPE..).unwrap_or_default();
                continue;
            }
            // The escaped character may be a backslash.
            _ => 2,
        };
        let (escape, after) = escape.split_at_checked(length)?;
        whole.extend_from_slice(escape);
        rest = after;
    }
    whole.extend_from_slice(rest);
    Some((whole, first?))
}

/// The number of an escape such as `\u00e4`.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(text.strip_prefix(b"\\u")?.get(..4)?).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

fn path_of_mark(value: &Value, place: &Place<'_>) -> Option<String> {
    match value {
        Value::String(text) => text.contains(MARK).then(|| place.to_string()),
        Value::Array(items) => items.iter().enumerate().find_map(|(at, item)| path_of_mark(item, &place.item(at))),
        Value::Object(fields) => fields.iter().find_map(|(name, field)| match name.contains(MARK) {
            true => Some(place.to_string()),
            false => path_of_mark(field, &place.field(name)),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_character_is_named_with_its_place() {
        for (body, place, escape) in [
            (r#"{"a": [{"b": "x\ud83d"}]}"#, "a[0].b", r"\ud83d"),
            (r#"{"a": "\\\ude00", "b": "\ud83d"}"#, "a", r"\ude00"),
            (r#"{"a": "\ud83d\ude00", "b": "\uD83Dn"}"#, "b", r"\uD83D"),
            (r#"{"a": {"\ud83d": 1}}"#, "a", r"\ud83d"),
            (r#"["\ud83d\ud83d\ude00"]"#, "body[0]", r"\ud83d"),
        ] {
            let problem = read(body.as_bytes()).unwrap_err();
            assert_eq!(problem.param.as_deref(), Some(place), "{body}");
            assert!(problem.message.contains(&format!("`{escape}`")), "{}", problem.message);
        }
        for body in [r#"{"a": "\ud83d"#, r#"{"a": "\u12"}"#, "[", r#""\"#, "{\"a\": \"\\ud83d\"}x"] {
            let problem = read(body.as_bytes()).unwrap_err();
            assert!(problem.message.starts_with("the body is not JSON: "), "{}", problem.message);
        }
        assert!(read(br#"["\\ud83d"]"#).is_ok(), "a backslash and letters");
    }

    #[test]
    fn json_that_is_not_read_is_told_from_what_is_none() {
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(deep(DEEPEST).as_bytes()).is_ok());
        let problem = read(deep(DEEPEST + 1).as_bytes()).unwrap_err();
        assert_eq!(problem.message, "the body has more than 127 lists and objects inside of each other");
        assert!(read("\u{feff}{}".as_bytes()).unwrap_err().message.contains("a byte order mark"));
    }

    #[test]
    fn values_are_counted_however_they_stand() {
        let filled = |item: &str, count: usize| format!("[{}{item}]", format!("{item},").repeat(count));
        for item in ["0", "[]", "{}", "null", "\"\"", "[[0]]", "{\"a\":1}"] {
            assert!(has_too_many(filled(item, 1_000_000).as_bytes()), "{item}");
            assert!(!has_too_many(filled(item, 200_000).as_bytes()), "{item}");
        }
        let text = format!("[\"{}\"]", ",[{".repeat(1_000_000));
        assert!(!has_too_many(text.as_bytes()), "what stands in a text is no value");
    }
}
