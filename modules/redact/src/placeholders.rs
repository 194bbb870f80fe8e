//! The placeholders of one call.

use std::collections::{BTreeMap, BTreeSet};

/// How many different values of one call get a placeholder of their own. This limits the memory of a call, which shares it
/// with others.
pub(crate) const MOST: usize = 65_536;

/// The placeholders of one call: the same value has the same one throughout.
#[derive(Debug, Default)]
pub struct Placeholders {
    // A tree: the hashes of a guest can be predicted, so a text could make them collide.
    of: BTreeMap<Box<str>, Box<str>>,
    /// The last number of each label.
    last: BTreeMap<Box<str>, usize>,
    /// Texts of the request that look like placeholders.
    taken: BTreeSet<Box<str>>,
}

impl Placeholders {
    /// Keeps the names in a text that look like placeholders, so that no placeholder gets such a name.
    pub fn avoid(&mut self, text: &str) {
        // Higher numbers are never given out.
        let numbered = bracketed(text).filter(|name| number(name).is_some_and(|number| number <= 2 * MOST));
        for name in numbered {
            if self.taken.len() < MOST && !self.taken.contains(name) {
                self.taken.insert(name.into());
            }
        }
    }

    /// Returns the placeholder of a value. If there are too many, it has no number and stands for nothing.
    pub(crate) fn of(&mut self, label: &str, value: &str) -> std::borrow::Cow<'_, str> {
        if !self.of.contains_key(value) {
            if self.of.len() >= MOST {
                return format!("[{label}]").into();
            }
            let placeholder = self.fresh(label);
            self.of.insert(value.into(), placeholder.into());
        }
        self.of.get(value).map(AsRef::as_ref).unwrap_or_default().into()
    }

    fn fresh(&mut self, label: &str) -> String {
        let last = match self.last.get_mut(label) {
            Some(last) => last,
            None => self.last.entry(label.into()).or_default(),
        };
        loop {
            *last += 1;
            let placeholder = format!("[{label}_{last}]");
            if !self.taken.contains(placeholder.as_str()) {
                return placeholder;
            }
        }
    }

    /// Returns the placeholders so far, and their values. Called after the request, these are the request's.
    pub fn known(&self) -> Known {
        let back: BTreeMap<_, _> = self.of.iter().map(|(value, name)| (name.clone(), value.clone())).collect();
        Known { longest: back.keys().map(|name| name.len()).max().unwrap_or_default(), back }
    }
}

/// Placeholders and the values that they stand for.
#[derive(Debug, Default)]
pub struct Known {
    back: BTreeMap<Box<str>, Box<str>>,
    longest: usize,
}

impl Known {
    pub(crate) fn is_empty(&self) -> bool {
        self.back.is_empty()
    }

    /// Returns the length of the longest placeholder, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Returns the value of a placeholder.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.back.get(name).map(AsRef::as_ref)
    }
}

/// Returns whether a placeholder may have this character in its name.
pub(crate) fn is_name(character: u8) -> bool {
    character.is_ascii_uppercase() || character.is_ascii_digit() || character == b'_'
}

/// Finds the texts in brackets that look like placeholders.
fn bracketed(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('[').filter_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let length = rest.bytes().take_while(|byte| is_name(*byte)).count();
        (length > 0 && rest.as_bytes().get(length) == Some(&b']')).then(|| text.get(at..at + length + 2))?
    })
}

/// Returns the number at the end of a placeholder.
fn number(name: &str) -> Option<usize> {
    name.strip_suffix(']')?.rsplit('_').next()?.parse().ok()
}
