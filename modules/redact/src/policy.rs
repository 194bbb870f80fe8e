//! What is rewritten, and how. Knows nothing of WebAssembly.

use std::collections::{HashMap, HashSet};

use regex_lite::Regex;
use serde_json::Value;

use crate::{
    config::{Kind, Settings},
    find,
};

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Policy {
    kinds: Vec<Kind>,
    /// By the labels of their placeholders.
    patterns: Vec<(String, Regex)>,
}

impl Policy {
    /// The policy of these settings.
    pub fn new(settings: &Settings) -> Self {
        let label = |name: &str| name.to_ascii_uppercase().replace('-', "_");
        let patterns = settings.patterns.iter();
        Self {
            kinds: Kind::ALL.into_iter().filter(|kind| settings.kinds.contains(kind)).collect(),
            // One that is none has been refused with the settings.
            patterns: patterns.filter_map(|(name, pattern)| Some((label(name), Regex::new(pattern).ok()?))).collect(),
        }
    }
}

/// The placeholders of one call: the same value has the same one throughout.
#[derive(Debug, Default)]
pub struct Placeholders {
    of: HashMap<String, String>,
    back: HashMap<String, String>,
    next: HashMap<String, u32>,
    /// What looks like a placeholder and is none.
    taken: HashSet<String>,
}

impl Placeholders {
    /// Notes what a text has that looks like a placeholder, so that none is given that name.
    pub fn avoid(&mut self, text: &str) {
        self.taken.extend(bracketed(text).map(|(_, name)| name.to_owned()));
    }

    fn of(&mut self, label: &str, value: &str) -> String {
        if let Some(known) = self.of.get(value) {
            return known.clone();
        }
        let next = self.next.entry(label.to_owned()).or_default();
        let placeholder = loop {
            *next += 1;
            let placeholder = format!("[{label}_{next}]");
            if !self.taken.contains(&placeholder) {
                break placeholder;
            }
        };
        self.of.insert(value.to_owned(), placeholder.clone());
        self.back.insert(placeholder.clone(), value.to_owned());
        placeholder
    }

    /// Those that stand for something by now. Taken between the request and its response, they are the request's.
    pub fn known(&self) -> HashSet<String> {
        self.back.keys().cloned().collect()
    }

    /// Puts back what these placeholders stand for. None if there are none.
    pub fn restored(&self, text: &str, known: &HashSet<String>) -> Option<String> {
        let (mut restored, mut end) = (String::new(), 0);
        for (at, name) in bracketed(text).filter(|(_, name)| known.contains(*name)) {
            restored.push_str(text.get(end..at)?);
            restored.push_str(self.back.get(name)?);
            end = at + name.len();
        }
        restored.push_str(text.get(end..)?);
        (end > 0).then_some(restored)
    }
}

/// What stands in brackets as a placeholder does, and where.
fn bracketed(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('[').filter_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        let length = rest.bytes().take(100).take_while(|byte| is_name(byte)).count();
        (length > 0 && rest.as_bytes().get(length) == Some(&b']'))
            .then(|| text.get(at..at + length + 2))?
            .map(|name| (at, name))
    })
}

impl Policy {
    /// The text with placeholders in the place of personal data. None if there is none.
    pub fn redacted(&self, text: &str, placeholders: &mut Placeholders) -> Option<String> {
        let mut found = Vec::new();
        for (label, pattern) in &self.patterns {
            found.extend(pattern.find_iter(text).map(|found| (found.range(), label.as_str())));
        }
        if !self.kinds.is_empty() {
            // Everything that is looked for begins with one of these, or has one in it.
            let places =
                text.char_indices().filter(|(_, letter)| letter.is_ascii_alphanumeric() || "@+(".contains(*letter));
            let mut end = 0;
            for (place, _) in places {
                if place < end {
                    continue;
                }
                if let Some((kind, range)) = find::at(text, place, &self.kinds) {
                    end = range.end;
                    found.push((range, kind.label()));
                }
            }
        }
        // Of two that overlap the longer one counts, and of equal ones the one that config names.
        found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let (mut redacted, mut end) = (String::new(), 0);
        for (range, label) in found {
            if range.start < end {
                continue;
            }
            redacted.push_str(text.get(end..range.start)?);
            redacted.push_str(&placeholders.of(label, text.get(range.clone())?));
            end = range.end;
        }
        redacted.push_str(text.get(end..)?);
        (end > 0).then_some(redacted)
    }
}

/// Rewrites the texts inside of JSON, which stays JSON; what is none is rewritten as text. None if nothing is.
pub fn json(text: &str, rewrite: &mut impl FnMut(&str) -> Option<String>) -> Option<String> {
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => walk(&mut value, rewrite).then(|| value.to_string()),
        Err(_) => rewrite(text),
    }
}

/// Whether anything was rewritten. JSON that is parsed is not deep.
fn walk(value: &mut Value, rewrite: &mut impl FnMut(&str) -> Option<String>) -> bool {
    // All of them, whatever came of the first.
    let mut is_changed = false;
    match value {
        Value::String(text) => {
            if let Some(rewritten) = rewrite(text) {
                *text = rewritten;
                is_changed = true;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| is_changed |= walk(item, rewrite)),
        Value::Object(items) => items.values_mut().for_each(|item| is_changed |= walk(item, rewrite)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    is_changed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy() -> Policy {
        let patterns = [("ticket-no".to_owned(), "T-[0-9]+".to_owned())].into();
        Policy::new(&Settings { patterns, ..Settings::default() })
    }

    fn redacted(text: &str) -> (String, Placeholders) {
        let mut placeholders = Placeholders::default();
        placeholders.avoid(text);
        let redacted = policy().redacted(text, &mut placeholders).unwrap_or_else(|| text.to_owned());
        (redacted, placeholders)
    }

    #[test]
    fn the_same_value_has_the_same_placeholder() {
        let (text, placeholders) = redacted("a@b.com, c@d.org, a@b.com: T-17, 10.0.0.1");
        assert_eq!(text, "[EMAIL_1], [EMAIL_2], [EMAIL_1]: [TICKET_NO_1], [IP_1]");
        let back = placeholders.restored("To [EMAIL_2] and [EMAIL_9]", &placeholders.known());
        assert_eq!(back.as_deref(), Some("To c@d.org and [EMAIL_9]"));
    }

    #[test]
    fn what_looks_like_a_placeholder_is_not_taken_for_one() {
        let (text, _) = redacted("[EMAIL_1] is not a@b.com");
        assert_eq!(text, "[EMAIL_1] is not [EMAIL_2]");
    }

    #[test]
    fn json_stays_json() {
        let mut placeholders = Placeholders::default();
        let mut rewrite = |text: &str| policy().redacted(text, &mut placeholders);
        let changed = json(r#"{"to": ["a@b.com", 4111111111111111], "a@b.com": "\"x\" 10.0.0.1"}"#, &mut rewrite);
        assert_eq!(changed.as_deref(), Some(r#"{"to":["[EMAIL_1]",4111111111111111],"a@b.com":"\"x\" [IP_1]"}"#));
        assert_eq!(json("not json a@b.com", &mut rewrite).as_deref(), Some("not json [EMAIL_1]"));
        assert_eq!(json(r#"{"to": "nobody"}"#, &mut rewrite), None);
    }

    #[test]
    fn a_megabyte_of_what_only_begins_like_something_is_searched_at_once() {
        for piece in ["@", "1", "1 ", "a", "+1", "A1", "1.", "[", "(555) ", "a@b"] {
            let text = piece.repeat((1 << 20) / piece.len());
            assert_eq!(policy().redacted(&text, &mut Placeholders::default()), None, "{piece}");
        }
    }

    fn personal() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z]{1,8}@[a-z]{1,8}\\.(com|org)",
            Just("4111 1111 1111 1111".to_owned()),
            Just("DE89370400440532013000".to_owned()),
            Just("+49 30 12345678".to_owned()),
            Just("078-05-1120".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn nothing_personal_is_left_and_all_comes_back(
            parts in prop::collection::vec((personal(), "[ é☎.,;:!?\\[\\]A-Z_0-9]{0,12}"), 0..6), text in "\\PC{0,40}",
        ) {
            let mut whole = text;
            for (data, between) in &parts {
                whole.push_str(" <");
                whole.push_str(data);
                whole.push_str("> ");
                whole.push_str(between);
            }
            let (redacted, placeholders) = redacted(&whole);
            for (data, _) in &parts {
                prop_assert!(!redacted.contains(data.as_str()), "{data} in {redacted}");
            }
            let back = placeholders.restored(&redacted, &placeholders.known()).unwrap_or_else(|| redacted.clone());
            prop_assert_eq!(back, whole);
            // What is redacted has nothing more to be redacted.
            prop_assert_eq!(policy().redacted(&redacted, &mut Placeholders::default()), None);
        }
    }
}
