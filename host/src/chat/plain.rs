//! Makes text of components, providers and models harmless to a terminal or a log.
//!
//! There is a function for each place that text goes to. Each writes a character that it refuses as `\u{…}`, so that the
//! reader sees it. The library cleans the texts of reports, errors and log lines itself. Answers are data and stay as
//! they are: call [`answer`] before you print one to a terminal.
//!
//! ```
//! use arcllm::plain;
//!
//! assert_eq!(plain::line("1.0\u{1b}[31m\nroot# ", 100), r"1.0\u{1b}[31m\nroot# ");
//! assert_eq!(plain::lines("first\nsecond\u{202e}", 100), "first\nsecond\\u{202e}");
//! assert_eq!(plain::answer("a\tb\r\n\u{9b}2J"), "a\tb\n\\u{9b}2J");
//! ```

use std::{borrow::Cow, fmt::Write as _};

use serde_json::Value;

/// The most characters of a foreign word: a version, a kind, a name.
pub(crate) const WORD: usize = 200;
/// The most characters of a foreign sentence: a description, a setting.
pub(crate) const SENTENCE: usize = 1000;
/// The most characters of a foreign message: an error, a log line.
pub(crate) const MESSAGE: usize = 4000;

/// The text on one line, cut to `most` characters, for a log or a list. Line breaks and tabs become `\n`, `\r` and `\t`.
pub fn line(text: &str, most: usize) -> Cow<'_, str> {
    clean(text, most, |character| !is_control(character) && !is_deceptive(character))
}

/// The text with its line breaks and tabs, cut to `most` characters, for an error that a person reads.
pub fn lines(text: &str, most: usize) -> Cow<'_, str> {
    clean(text, most, |character| is_layout(character) || !is_control(character) && !is_deceptive(character))
}

/// An answer of a model, or a piece of one, for a terminal. It keeps its line breaks and tabs, and the marks that scripts
/// and emoji are written with (joiners, and what says in which direction a word runs). Control characters and what reorders
/// the text around it are shown as `\u{…}`. Carriage returns are left out: a line break is enough.
pub fn answer(text: &str) -> Cow<'_, str> {
    let is_meant = |character| is_layout(character) || !is_control(character) && !is_reordering(character);
    match text.contains('\r') {
        true => Cow::Owned(clean(&text.replace('\r', ""), usize::MAX, is_meant).into_owned()),
        false => clean(text, usize::MAX, is_meant),
    }
}

/// JSON text of the same meaning for a terminal. Control characters that JSON allows, such as those of the second set,
/// become escapes such as `\u009b`.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_meant = |character| !is_control(character) && !is_deceptive(character);
    // Between its values JSON may have line breaks.
    if text.chars().all(|character| is_meant(character) || is_layout(character)) {
        return Cow::Borrowed(text);
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_meant(character) || is_layout(character) || character == '\r' {
            harmless.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(harmless, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(harmless)
}

/// Foreign JSON, with every text in it on one line and cut to `most` characters.
pub(crate) fn value(value: Value, most: usize) -> Value {
    match value {
        Value::String(text) => line(&text, most).into_owned().into(),
        Value::Array(items) => items.into_iter().map(|item| self::value(item, most)).collect(),
        Value::Object(fields) => {
            let clean = |(key, field): (String, Value)| (line(&key, most).into_owned(), self::value(field, most));
            Value::Object(fields.into_iter().map(clean).collect())
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

fn clean(text: &str, most: usize, is_meant: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.len() <= most && text.chars().all(&is_meant) {
        return Cow::Borrowed(text);
    }
    let (mut clean, mut length, mut keep) = (String::new(), 0_usize, 0);
    let mut piece = String::new();
    for character in text.chars() {
        piece.clear();
        match is_meant(character) {
            true => piece.push(character),
            false => escape(character, &mut piece),
        }
        length += piece.chars().count();
        if length > most {
            clean.truncate(keep);
            clean.push('…');
            break;
        }
        clean.push_str(&piece);
        if length < most {
            keep = clean.len();
        }
    }
    Cow::Owned(clean)
}

fn escape(character: char, piece: &mut String) {
    match character {
        '\n' => piece.push_str("\\n"),
        '\r' => piece.push_str("\\r"),
        '\t' => piece.push_str("\\t"),
        character => piece.extend(character.escape_unicode()),
    }
}

fn is_layout(character: char) -> bool {
    matches!(character, '\n' | '\t')
}

/// Control characters of ASCII, `DEL`, and the second set, whose characters are commands to a terminal.
fn is_control(character: char) -> bool {
    character.is_control()
}

/// What ends a line or changes the direction of all that follows.
fn is_reordering(character: char) -> bool {
    matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that break lines, reorder what stands around them, or cannot be seen at all. The joiners are not among them:
/// emoji are made with them.
fn is_deceptive(character: char) -> bool {
    is_reordering(character)
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// One of each kind that must not reach a terminal.
    const HOSTILE: &str =
        "\0\u{7}\u{8}\u{b}\r\u{1b}\u{7f}\u{85}\u{90}\u{9b}\u{9d}\u{2028}\u{202a}\u{202e}\u{2066}\u{2069}";
    /// What deceives the reader of a line besides.
    const UNSEEN: &str = "\u{ad}\u{61c}\u{180e}\u{200b}\u{200f}\u{2060}\u{206f}\u{feff}\u{fffb}\u{e0041}";

    #[test]
    fn nothing_hostile_is_left() {
        for character in HOSTILE.chars() {
            let text = format!("a{character}b");
            for clean in [line(&text, 100), lines(&text, 100), answer(&text)] {
                assert!(!clean.contains(character) && clean.starts_with('a') && clean.ends_with('b'), "{clean:?}");
            }
        }
        for character in UNSEEN.chars() {
            let text = character.to_string();
            assert!(line(&text, 100).starts_with("\\u{") && lines(&text, 100).starts_with("\\u{"), "{text:?}");
        }
    }

    #[test]
    fn what_is_meant_stays_and_is_not_copied() {
        for text in ["größer 🙂 → \\ \"x\"", "👩\u{200d}🚀", "می\u{200c}خواهم", ""] {
            assert!(matches!(line(text, 100), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(lines("a\n\tb", 10), "a\n\tb");
        assert_eq!(line("a\n\tb\r", 10), r"a\n\tb\r");
        // Written from right to left, with a mark that says so.
        assert_eq!(answer("שלום\u{200f}! \u{feff}x\r\ny"), "שלום\u{200f}! \u{feff}x\ny");
    }

    #[test]
    fn it_is_cut_where_a_character_or_its_escape_ends() {
        assert_eq!(line(&"ü".repeat(5), 5), "ü".repeat(5));
        assert_eq!(line(&"ü".repeat(6), 5), "üüüü…");
        assert_eq!(line("xxx\u{1b}y", 5), "xxx…");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = json!({ HOSTILE: [UNSEEN, "größer 🙂"] });
        for text in [value.to_string(), format!("{value:#}")] {
            let harmless = json(&text);
            assert!(!harmless.chars().any(|c| is_deceptive(c) || is_control(c) && c != '\n'), "{harmless:?}");
            assert_eq!(serde_json::from_str::<Value>(&harmless).unwrap(), value);
        }
        assert!(matches!(json("{\"a\": \"größer\"}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_value_is_cleaned_all_through() {
        let hostile = json!({"\u{1b}": [{"a": "x\u{9b}"}, 1, null]});
        assert_eq!(value(hostile, 10), json!({"\\u{1b}": [{"a": "x\\u{9b}"}, 1, null]}));
    }

    proptest! {
        #[test]
        fn any_text_is_short_and_harmless(text: String, most in 1..50_usize) {
            prop_assert!(line(&text, most).chars().count() <= most);
            prop_assert!(!line(&text, most).chars().any(|c| c.is_control() || is_deceptive(c)));
            prop_assert!(!answer(&text).chars().any(|c| c.is_control() && !is_layout(c)));
            // What comes in pieces is the same as what comes whole.
            let pieces: String = text.chars().map(|piece| answer(&piece.to_string()).into_owned()).collect();
            prop_assert_eq!(pieces, answer(&text));
        }
    }
}
