//! Surrogates, the halves of characters beyond U+FFFF. JSON can escape one alone, and a Rust string cannot hold one.
//!
//! Until a text is JSON, a character of a private plane stands for each half.

use crate::answer::Answer;
use crate::fault::Fault;

/// What stands for the half 0xD800 is this much above it.
const ABOVE: u32 = 0xF0000;
/// The half that is sent alone.
const LONE: u16 = 0xD83D;

/// The answer with the halves in its text that the fault wants.
pub(super) fn mark(answer: &Answer, fault: Option<Fault>) -> Answer {
    let text = answer.text().unwrap_or_default();
    let marked = match fault {
        Some(Fault::SplitSurrogate) if text.chars().all(|c| c.len_utf16() == 1) => split(&format!("{text}😀")),
        Some(Fault::SplitSurrogate) => split(text),
        _ if !text.contains(char::REPLACEMENT_CHARACTER) => format!("{text}{}", lone()),
        _ => text.replace(char::REPLACEMENT_CHARACTER, &lone()),
    };
    Answer { text: Some(marked), ..answer.clone() }
}

/// Cuts a text after each half that is the first of two, or alone.
pub(super) fn cut(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(|c| half(c).is_some_and(|half| half < 0xDC00))
}

/// Writes the halves as escapes. They are in strings only, so this is right anywhere in a JSON text.
pub(super) fn escape(json: &[u8]) -> Vec<u8> {
    let escaped = |c: char| half(c).map_or_else(|| c.to_string(), |half| format!("\\u{half:04x}"));
    String::from_utf8_lossy(json).chars().map(escaped).collect::<String>().into_bytes()
}

fn split(text: &str) -> String {
    let halves = |c: char| match c.len_utf16() {
        1 => c.to_string(),
        _ => c.encode_utf16(&mut [0; 2]).iter().filter_map(|half| stand_in(*half)).collect(),
    };
    text.chars().map(halves).collect()
}

fn lone() -> String {
    stand_in(LONE).map(String::from).unwrap_or_default()
}

fn stand_in(half: u16) -> Option<char> {
    char::from_u32(ABOVE + u32::from(half))
}

/// The half that this character stands for.
fn half(c: char) -> Option<u16> {
    let half = u16::try_from(u32::from(c).checked_sub(ABOVE)?).ok()?;
    (0xD800..0xE000).contains(&half).then_some(half)
}
