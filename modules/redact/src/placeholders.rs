//! The placeholders of one call.

use std::collections::{BTreeMap, BTreeSet};

/// So many different values of one call have a placeholder of their own. It bounds what a call takes of the memory that it
/// shares with others.
pub(crate) const MOST: usize = 65_536;

/// The placeholders of one call: the same value has the same one throughout.
#[derive(Debug, Default)]
pub struct Placeholders {
    // A tree, since a hash that guests can foresee can be made to collide.
    of: BTreeMap<Box<str>, Box<str>>,
    /// The last number of each label.
    last: BTreeMap<Box<str>, usize>,
    /// What looks like a placeholder and is none.
    taken: BTreeSet<Box<str>>,
}

impl Placeholders {
    /// Notes what a text has that looks like a placeholder, so that none is given that name.
    pub fn avoid(&mut self, text: &str) {
        // More than that are not given out, whatever was taken.
        let numbered = bracketed(text).filter(|name| number(name).is_some_and(|number| number <= 2 * MOST));
        for name in numbered {
            if self.taken.len() < MOST && !self.taken.contains(name) {
                self.taken.insert(name.into());
            }
        }
    }

    /// The placeholder of a value. Without a number, which stands for nothing, if there are too many.
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

    /// What stands for something by now. Taken between the request and its response, it is the request's.
    pub fn known(&self) -> Known {
        let back: BTreeMap<_, _> = self.of.iter().map(|(value, name)| (name.clone(), value.clone())).collect();
        Known { longest: back.keys().map(|name| name.len()).max().unwrap_or_default(), back }
    }
}

/// Placeholders, and what they stand for.
#[derive(Debug, Default)]
pub struct Known {
    back: BTreeMap<Box<str>, Box<str>>,
    longest: usize,
}

impl Known {
    pub(crate) fn is_empty(&self) -> bool {
        self.back.is_empty()
    }

    /// The length of the longest one, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// What this placeholder stands for.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.back.get(name).map(AsRef::as_ref)
    }
}

/// Whether the name of a placeholder may have this character.
pub(crate) fn is_name(character: u8) -> bool {
    character.is_ascii_uppercase() || character.is_ascii_digit() || character == b'_'
}

/// What stands in brackets as a placeholder does.
fn bracketed(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('[').filter_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let length = rest.bytes().take_while(|byte| is_name(*byte)).count();
        (length > 0 && rest.as_bytes().get(length) == Some(&b']')).then(|| text.get(at..at + length + 2))?
    })
}

/// The number at the end of a placeholder.
fn number(name: &str) -> Option<usize> {
    name.strip_suffix(']')?.rsplit('_').next()?.parse().ok()
}
