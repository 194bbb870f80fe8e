//! A line of a journal: what the host writes around a record, with the hash that chains it to the line before.
//!
//! A line is one JSON object: `seq`, `time`, `module`, `inside`, `record`, `prev` and `hash`. `prev` is the `hash` of the line
//! before, and zeros in the first. `hash` is the SHA-256 of the line's text before `,"hash":`, so that it can be computed from the
//! bytes of the file alone.

use std::{fmt, str::FromStr, time::SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    chat::time::rfc3339,
    journal::journal::{Entry, RECORD},
};

/// The longest line, in bytes: a record, and what the host writes around it.
pub(crate) const LONGEST: usize = RECORD + (64 << 10);

/// What stands between the text that is hashed and its hash.
const BEFORE_HASH: &[u8] = b",\"hash\":\"";

/// What stands behind the hash.
const AFTER_HASH: &[u8] = b"\"}";

/// A SHA-256. Shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first line follows.
    pub(crate) const ZERO: Self = Self([0; 32]);

    fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Hash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "expected a SHA-256: 64 hexadecimal digits";
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut hash = [0; 32];
        if pairs.len() != hash.len() || !rest.is_empty() {
            return Err(wrong);
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(*high).ok_or(wrong)? << 4 | digit(*low).ok_or(wrong)?;
        }
        Ok(Self(hash))
    }
}

/// Where a chain has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// The number of the last line; zero before the first.
    pub(crate) sequence: u64,
    /// Its hash.
    pub(crate) hash: Hash,
}

impl Link {
    /// Before the first line.
    pub(crate) const START: Self = Self { sequence: 0, hash: Hash::ZERO };
}

/// Adds the line of this entry to `text`. Returns where the chain has come to.
pub(crate) fn write(text: &mut String, entry: &Entry, at: SystemTime, after: Link) -> Link {
    let module = match &*entry.module {
        // The host's own.
        "" => serde_json::Value::Null,
        module => module.into(),
    };
    let (sequence, prev) = (after.sequence.saturating_add(1), after.hash);
    let (time, inside, record) = (rfc3339(at), serde_json::Value::from(entry.inside.clone()), &entry.record);
    let line = format!(
        "{{\"seq\":{sequence},\"time\":\"{time}\",\"module\":{module},\"inside\":{inside},\"record\":{record},\"prev\":\"{prev}\""
    );
    let hash = Hash::of(line.as_bytes());
    text.push_str(&line);
    text.push_str(&format!(",\"hash\":\"{hash}\"}}\n"));
    Link { sequence, hash }
}

/// What a line says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) time: String,
    pub(crate) prev: Hash,
    pub(crate) link: Link,
    /// What the host itself says in it.
    pub(crate) own: Option<Own>,
}

/// What a record of the host itself says of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    /// The lines before this number were deleted, as the configuration says.
    Deleted(u64),
    /// The line with this number was there once, and not any more when the journal was opened.
    Lost(u64),
    /// The note of the last line was gone when the journal was opened.
    HeadMissing,
}

/// The fields that count for the chain.
#[derive(Deserialize)]
struct Fields {
    seq: u64,
    time: String,
    prev: String,
    /// Of the host itself, if it is null.
    #[serde(default)]
    module: Option<serde::de::IgnoredAny>,
}

/// The record of the host itself.
#[derive(Deserialize)]
struct OwnLine {
    record: OwnRecord,
}

#[derive(Deserialize)]
struct OwnRecord {
    event: String,
    before: Option<u64>,
    noted_seq: Option<u64>,
}

fn own(text: &[u8]) -> Option<Own> {
    let OwnRecord { event, before, noted_seq } = serde_json::from_slice::<OwnLine>(text).ok()?.record;
    match event.as_str() {
        "deleted" => before.map(Own::Deleted),
        "lost" => noted_seq.map(Own::Lost),
        "head_missing" => Some(Own::HeadMissing),
        _ => None,
    }
}

/// Reads a line, without its end. `None` if it is not as the host has written it.
pub(crate) fn read(text: &[u8]) -> Option<Line> {
    let text = text.strip_suffix(AFTER_HASH)?;
    let (text, hash) = text.split_at_checked(text.len().checked_sub(64)?)?;
    let text = text.strip_suffix(BEFORE_HASH)?;
    let computed = Hash::of(text);
    if computed.to_string().as_bytes() != hash {
        return None;
    }
    let whole = [text, b"}"].concat();
    let Fields { seq: sequence, time, prev, module } = serde_json::from_slice(&whole).ok()?;
    let own = if module.is_none() { own(&whole) } else { None };
    Some(Line { time, prev: prev.parse().ok()?, link: Link { sequence, hash: computed }, own })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn entry(record: &str) -> Entry {
        Entry::new("audit".into(), vec!["retry@0123456789ab".to_owned()], record.to_owned()).unwrap()
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_never_otherwise() {
        let mut text = String::new();
        let at = UNIX_EPOCH + Duration::from_secs(951_782_400);
        let first = write(&mut text, &entry("{\"a\": 1}"), at, Link::START);
        let expected = format!(
            "{{\"seq\":1,\"time\":\"2000-02-29T00:00:00.000Z\",\"module\":\"audit\",\"inside\":[\"retry@0123456789ab\"],\
             \"record\":{{\"a\": 1}},\"prev\":\"{}\",\"hash\":\"{}\"}}\n",
            "0".repeat(64),
            first.hash
        );
        assert_eq!(text, expected);
        let line = read(text.trim_end().as_bytes()).unwrap();
        assert_eq!((line.link, line.prev, line.time.as_str()), (first, Hash::ZERO, "2000-02-29T00:00:00.000Z"));
        let bytes = text.trim_end().as_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            assert_eq!(read(&changed), None, "byte {at}");
            assert_eq!(read(&bytes[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_record_cannot_end_the_line_by_itself() {
        let mut text = String::new();
        let forged = format!("{{\"x\":\"\\\",\\\"hash\\\":\\\"{}\\\"}}\"}}", Hash::ZERO);
        write(&mut text, &entry(&forged), UNIX_EPOCH, Link::START);
        assert!(read(text.trim_end().as_bytes()).is_some());
        assert_eq!(text.lines().count(), 1);
    }
}
