//! What the head of an answer tells of its call.

use arcllm::{Attempt, Note, Outcome};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use crate::client::request_id;

/// A request header. With the value `1` the head of the answer has the trail, and what modules remarked.
const TRAIL: HeaderName = HeaderName::from_static("x-arcllm-trail");

/// What modules remarked until the head was sent.
const NOTES: HeaderName = HeaderName::from_static("x-arcllm-notes");

/// The most bytes of the remarks in a head.
const LONGEST_NOTES: usize = 2 * 1024;

/// The longest trail in a head, in bytes. Many clients read 16 KB of headers at most.
const LONGEST_TRAIL: usize = 8 * 1024;

/// The longest name of a provider or a model in a head, in bytes.
const LONGEST_NAME: usize = 256;

/// What was tried for a call, and what modules remarked.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    pub(crate) trail: Vec<Attempt>,
    pub(crate) notes: Vec<Note>,
}

/// What the head of an answer tells of its call.
#[derive(Debug, Clone)]
pub(crate) struct CallHead {
    /// The name of the call, and of its answer.
    pub(crate) id: String,
    wants_trail: bool,
}

impl CallHead {
    /// The head for a request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let wants_trail = headers.get(TRAIL).is_some_and(|value| value == "1");
        Self { id: request_id::new(), wants_trail }
    }

    /// Writes it. The attempt that was answered is the last one that is `ok`.
    pub(crate) fn write(&self, Tried { trail, notes }: &Tried, headers: &mut HeaderMap) {
        request_id::write(&self.id, headers);
        let mut insert = |name: HeaderName, value: &str| {
            // A name of a model may hold what a header may not.
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.insert(name, value);
            }
        };
        insert(HeaderName::from_static("x-arcllm-attempts"), &trail.len().to_string());
        let answered = trail.iter().rev().find(|attempt| attempt.outcome == Outcome::Ok).or(trail.last());
        if let Some(attempt) = answered {
            insert(HeaderName::from_static("x-arcllm-provider"), cut(&attempt.provider));
            insert(HeaderName::from_static("x-arcllm-model"), cut(&attempt.model));
        }
        if self.wants_trail {
            insert(TRAIL, &in_ascii(trail, LONGEST_TRAIL));
            insert(NOTES, &in_ascii(notes, LONGEST_NOTES));
        }
    }
}

/// As much of a name as a head has room for.
fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(LONGEST_NAME)).unwrap_or_default()
}

/// A list as a line of JSON in ASCII. A long one lacks its first items.
fn in_ascii<T: Serialize>(list: &[T], longest: usize) -> String {
    let mut bytes = 0;
    let items = list.iter().rev().filter_map(|item| serde_json::to_string(item).ok()).map(|json| escaped(&json));
    let mut items: Vec<String> = items
        .take_while(|json| {
            bytes += json.len() + 1;
            bytes < longest
        })
        .collect();
    items.reverse();
    format!("[{}]", items.join(","))
}

/// JSON with escapes for all that is not ASCII, which only its strings hold.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() && byte != 0x7f => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_is_ascii_and_its_end_fits() {
        let attempt = |model: &str| Attempt::new("ö\u{7f}\u{1f600}", model, Outcome::Connection);
        let trail: Vec<_> = (0..200).map(|number| attempt(&number.to_string())).collect();
        let line = in_ascii(&trail, LONGEST_TRAIL);
        assert!(line.is_ascii() && line.len() < LONGEST_TRAIL + 2, "{line}");
        let read: Vec<Attempt> = serde_json::from_str(&line).unwrap();
        assert!(read.len() > 10 && read.len() < 200);
        assert_eq!(read[..], trail[200 - read.len()..]);
    }
}
