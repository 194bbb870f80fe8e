//! What modules remark about a call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chat::{plain, seconds};

/// The most characters of a remark.
const LONGEST: usize = 300;
/// The most remarks of one module in one invoke.
const MOST: usize = 16;

/// A remark of a module about a call, such as "answered from the cache". It is for people: its words may change with the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Note {
    /// The module that says it.
    pub module: String,
    /// When it was said, after the start of the invoke.
    #[serde(rename = "after_seconds", with = "seconds")]
    pub after: Duration,
    /// What it says, on one line, in at most 300 characters.
    pub text: String,
}

/// The remarks of one invoke, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<Note>);

impl Notes {
    /// Adds a remark of this module, unless it has made too many.
    pub(crate) fn add(&mut self, module: &str, after: Duration, text: &str) {
        if self.0.iter().filter(|note| note.module == module).count() < MOST {
            let text = plain::line(text, LONGEST).into_owned();
            self.0.push(Note { module: module.to_owned(), after, text });
        }
    }

    /// The remarks so far.
    pub(crate) fn all(&self) -> Vec<Note> {
        self.0.clone()
    }

    /// Takes the remarks.
    pub(crate) fn take(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_says_much_is_cut_and_silences_no_other() {
        let mut notes = Notes::default();
        (0..1000).for_each(|_| notes.add("loud", Duration::ZERO, &"\u{1b}[2J".repeat(1000)));
        notes.add("quiet", Duration::from_secs(2), "went on\nelsewhere");
        let all = notes.take();
        assert_eq!(all.len(), MOST + 1);
        assert!(all.iter().all(|note| note.text.chars().count() <= LONGEST && !note.text.contains('\u{1b}')));
        let json = serde_json::to_value(&all[MOST]).unwrap();
        assert_eq!(json, serde_json::json!({"module": "quiet", "after_seconds": 2.0, "text": r"went on\nelsewhere"}));
        assert_eq!(serde_json::from_value::<Note>(json).unwrap(), all[MOST]);
    }
}
