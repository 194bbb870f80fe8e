//! What the head of an answer tells of its call.

use arcllm::{Attempt, Outcome};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A request header. With the value `1` the head of the answer has the trail.
const TRAIL: HeaderName = HeaderName::from_static("x-arcllm-trail");

/// The longest trail in a head, in bytes. Many clients read 16 KB of headers at most.
const LONGEST_TRAIL: usize = 8 * 1024;

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
        Self { id: format!("{:024x}", rand::random::<u128>() >> 32), wants_trail }
    }

    /// Writes it. The attempt that was answered is the last one that is `ok`.
    pub(crate) fn write(&self, trail: &[Attempt], headers: &mut HeaderMap) {
        let mut insert = |name: HeaderName, value: &str| {
            // A name of a model may hold what a header may not.
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.insert(name, value);
            }
        };
        // Anthropic's SDKs read the second one.
        insert(HeaderName::from_static("x-request-id"), &self.id);
        insert(HeaderName::from_static("request-id"), &self.id);
        insert(HeaderName::from_static("x-arcllm-attempts"), &trail.len().to_string());
        let answered = trail.iter().rev().find(|attempt| attempt.outcome == Outcome::Ok).or(trail.last());
        if let Some(attempt) = answered {
            insert(HeaderName::from_static("x-arcllm-provider"), &attempt.provider);
            insert(HeaderName::from_static("x-arcllm-model"), &attempt.model);
        }
        if self.wants_trail {
            insert(TRAIL, &in_ascii(trail));
        }
    }
}

/// The trail as a line of JSON in ASCII. A long one lacks its first attempts.
fn in_ascii(trail: &[Attempt]) -> String {
    let mut bytes = 0;
    let attempts =
        trail.iter().rev().filter_map(|attempt| serde_json::to_string(attempt).ok()).map(|json| escaped(&json));
    let mut attempts: Vec<String> = attempts
        .take_while(|json| {
            bytes += json.len() + 1;
            bytes < LONGEST_TRAIL
        })
        .collect();
    attempts.reverse();
    format!("[{}]", attempts.join(","))
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
        let line = in_ascii(&trail);
        assert!(line.is_ascii() && line.len() < LONGEST_TRAIL + 2, "{line}");
        let read: Vec<Attempt> = serde_json::from_str(&line).unwrap();
        assert!(read.len() > 10 && read.len() < 200);
        assert_eq!(read[..], trail[200 - read.len()..]);
    }
}
