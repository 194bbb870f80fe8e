//! Says in plain words what happened and what should have.

use arcllm::plain;
use serde_json::Value;

use super::scenario::Bounds;

/// The most characters of a text that is repeated.
const LONGEST: usize = 300;

/// A list in order: `primary, then second`. A long one is cut.
pub(super) fn in_order(items: &[String]) -> String {
    const MOST: usize = 10;
    match items.len() {
        0 => "nobody".to_owned(),
        1..=MOST => items.join(", then "),
        more => {
            let first: Vec<&str> = items.iter().take(MOST).map(String::as_str).collect();
            format!("{}, and {} more", first.join(", then "), more - MOST)
        }
    }
}

/// A text in quotes, on one line, cut.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", plain::line(text, LONGEST))
}

/// Texts in quotes, or `nothing`.
pub(super) fn all_quoted(texts: &[String]) -> String {
    match texts {
        [] => "nothing".to_owned(),
        texts => texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "),
    }
}

/// JSON on one line, cut.
pub(super) fn json(value: &Value) -> String {
    plain::line(&value.to_string(), LONGEST).into_owned()
}

/// A time, to the millisecond.
pub(super) fn seconds(seconds: f64) -> String {
    let rounded = (seconds * 1000.0).round() / 1000.0;
    format!("{rounded} s")
}

/// Times, one after the other.
pub(super) fn all_seconds(times: &[f64]) -> String {
    match times {
        [] => "never".to_owned(),
        times => times.iter().map(|time| seconds(*time)).collect::<Vec<_>>().join(", "),
    }
}

/// A time that was expected.
pub(super) fn bounds(bounds: Bounds) -> String {
    match bounds {
        Bounds::Exactly(time) => seconds(time),
        Bounds::Between(from, to) => format!("{from} to {}", seconds(to)),
    }
}

/// Times that were expected.
pub(super) fn all_bounds(all: &[Bounds]) -> String {
    match all {
        [] => "never".to_owned(),
        all => all.iter().map(|one| bounds(*one)).collect::<Vec<_>>().join(", "),
    }
}

/// A number of things: `1 request`, `2 requests`.
pub(super) fn count(number: usize, of: &str) -> String {
    match number {
        1 => format!("1 {of}"),
        number => format!("{number} {of}s"),
    }
}

/// `was` or `were`.
pub(super) fn were(number: usize) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_times_are_as_one_would_say_them() {
        let names = |count: usize| vec!["primary".to_owned(); count];
        assert_eq!(in_order(&[]), "nobody");
        assert_eq!(in_order(&["primary".to_owned(), "second".to_owned()]), "primary, then second");
        assert!(in_order(&names(100)).ends_with("primary, and 90 more"));
        assert_eq!(all_seconds(&[0.0, 1.500_249]), "0 s, 1.5 s");
        assert_eq!(all_bounds(&[Bounds::Exactly(0.0), Bounds::Between(0.5, 2.0)]), "0 s, 0.5 to 2 s");
        assert_eq!(quoted("a\n\u{1b}[31m"), "\"a\\n\\u{1b}[31m\"");
        assert!(quoted(&"x".repeat(10_000)).chars().count() < 310);
    }
}
