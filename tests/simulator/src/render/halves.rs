//! Surrogates, the halves of characters beyond U+FFFF. JSON can escape one alone, and a Rust string cannot hold one.
//!
//! Until a text is JSON, a character of a private plane stands for each half.

use serde_json::Value;

use crate::answer::Answer;
use crate::fault::Fault;

/// What stands for the half 0xD800 is this much above it.
const ABOVE: u32 = 0xF0000;
/// The half that is sent alone.
const LONE: u16 = 0xD83D;

/// The answer with the halves in its strings that the fault wants. Its text has at least one.
pub(super) fn mark(answer: &Answer, fault: Option<Fault>) -> Answer {
    let (mark, added): (fn(&str) -> String, _) = match fault {
        Some(Fault::SplitSurrogate) => (split, split("😀")),
        _ => (lone, lone("\u{FFFD}")),
    };
    let text = answer.text().unwrap_or_default().to_owned();
    let marked = mark(&text);
    let mut answer = answer.clone();
    answer.thinking = answer.thinking.as_deref().map(mark);
    answer.tool_calls.iter_mut().for_each(|call| mark_strings(&mut call.arguments, mark));
    answer.text = Some(if marked == text { marked + &added } else { marked });
    answer
}

fn mark_strings(value: &mut Value, mark: fn(&str) -> String) {
    match value {
        Value::String(text) => *text = mark(text),
        Value::Array(items) => items.iter_mut().for_each(|item| mark_strings(item, mark)),
        Value::Object(fields) => fields.values_mut().for_each(|field| mark_strings(field, mark)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
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

fn lone(text: &str) -> String {
    let half = stand_in(LONE).map(String::from).unwrap_or_default();
    text.replace(char::REPLACEMENT_CHARACTER, &half)
}

fn stand_in(half: u16) -> Option<char> {
    char::from_u32(ABOVE + u32::from(half))
}

/// The half that this character stands for.
fn half(c: char) -> Option<u16> {
    let half = u16::try_from(u32::from(c).checked_sub(ABOVE)?).ok()?;
    (0xD800..0xE000).contains(&half).then_some(half)
}
