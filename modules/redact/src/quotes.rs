//! Citations, annotations and probabilities of words: what repeats a text, or points into it.

use serde_json::Value;

use crate::rewrite::{Rewrite, set};

/// What becomes of quotes that have something to replace, beside a text that has nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// They are removed. In a request a module may remove them, and needs a grant to change them.
    Removed,
    /// They are written anew.
    WrittenAnew,
}

/// The extensions of a text that quote it, or what it was written from.
const OF_TEXT: [&str; 4] =
    ["anthropic.citations", "openai.annotations", "openai.responses.annotations", "openai.responses.logprobs"];
/// Those of a message or an answer.
const OF_MESSAGE: [&str; 2] = ["openai.annotations", "openai.message.annotations"];

type Extensions = Vec<(String, String)>;

/// Rewrites the quotes of a text. If it has changed, there are none: their places and words are those of the old text. Returns
/// whether any has changed.
pub(crate) fn of_text(extensions: &mut Extensions, text: bool, quotes: Quotes, rewrite: &mut Rewrite<'_>) -> bool {
    keep(extensions, &OF_TEXT, text, quotes, rewrite)
}

/// Rewrites the quotes of a message or of an answer, of which a text has changed or none has.
pub(crate) fn of_message(extensions: &mut Extensions, text: bool, quotes: Quotes, rewrite: &mut Rewrite<'_>) -> bool {
    keep(extensions, &OF_MESSAGE, text, quotes, rewrite)
}

fn keep(extensions: &mut Extensions, keys: &[&str], text: bool, quotes: Quotes, rewrite: &mut Rewrite<'_>) -> bool {
    let mut is_changed = false;
    extensions.retain_mut(|(key, value)| {
        if !keys.contains(&key.as_str()) {
            return true;
        }
        let changes = text || set(value, |value| written(value, rewrite));
        is_changed |= changes;
        !changes || (!text && quotes == Quotes::WrittenAnew)
    });
    is_changed
}

/// Rewrites the strings of quotes in JSON.
fn written(quotes: &str, rewrite: &mut Rewrite<'_>) -> Option<String> {
    let mut quotes: Value = serde_json::from_str(quotes).ok()?;
    strings(&mut quotes, rewrite).then(|| quotes.to_string())
}

fn strings(value: &mut Value, rewrite: &mut Rewrite<'_>) -> bool {
    match value {
        Value::String(text) => set(text, rewrite),
        Value::Array(items) => {
            items.iter_mut().fold(false, |is_changed, item| strings(item, &mut *rewrite) | is_changed)
        }
        Value::Object(fields) => {
            let texts = fields.iter_mut().filter(|(name, _)| !is_mark(name));
            texts.fold(false, |is_changed, (_, field)| strings(field, &mut *rewrite) | is_changed)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a field has a mark of the provider and no text: `type`, `file_id`, `encrypted_index`.
fn is_mark(name: &str) -> bool {
    name == "type" || name == "id" || name.ends_with("_id") || name.starts_with("encrypted")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CITED: &str =
        r#"[{"type":"a@b.com","url":"mailto:a@b.com","file_id":"a@b.com","encrypted_index":"a@b.com","n":1}]"#;

    fn of(key: &str, text: bool, quotes: Quotes) -> Option<String> {
        let mut extensions =
            vec![("anthropic.other".to_owned(), "\"a@b.com\"".to_owned()), (key.to_owned(), CITED.to_owned())];
        let mut rewrite = |text: &str| text.contains("a@b.com").then(|| text.replace("a@b.com", "[EMAIL_1]"));
        assert!(of_text(&mut extensions, text, quotes, &mut rewrite));
        assert_eq!(extensions[0].1, "\"a@b.com\"");
        extensions.get(1).map(|(_, value)| value.clone())
    }

    #[test]
    fn quotes_of_a_text_that_has_changed_are_removed() {
        for key in OF_TEXT {
            assert_eq!(of(key, true, Quotes::WrittenAnew), None);
            assert_eq!(of(key, true, Quotes::Removed), None);
        }
    }

    #[test]
    fn quotes_beside_a_text_that_stays_are_removed_or_written_anew_without_their_marks() {
        for key in OF_TEXT {
            assert_eq!(of(key, false, Quotes::Removed), None);
            let expected = CITED.replace("mailto:a@b.com", "mailto:[EMAIL_1]");
            assert_eq!(of(key, false, Quotes::WrittenAnew), Some(expected));
        }
    }

    #[test]
    fn quotes_with_nothing_to_replace_stay_as_they_are() {
        let before = vec![("openai.annotations".to_owned(), "[{ \"url\": 1e400}]".to_owned())];
        let mut extensions = before.clone();
        assert!(!of_message(&mut extensions, false, Quotes::Removed, &mut |_| None));
        assert_eq!(extensions, before);
    }
}
