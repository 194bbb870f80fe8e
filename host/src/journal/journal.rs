//! Where modules append records that stay.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::{BoxFuture, ready};

/// The most bytes of a record.
pub(crate) const RECORD: usize = 1 << 20;

/// The most modules that an entry names.
const INSIDE: usize = 100;

/// The most records that a journal in memory keeps.
const KEPT: usize = 10_000;

/// Where modules with the grant `journal` append records; see the WIT interface `arcllm:llm/journal`.
///
/// By default it is the folder of `[journal]`. A program with another place for them gives it to
/// [`HostBuilder::journal`](crate::HostBuilder::journal).
pub trait Journal: Send + Sync {
    /// Appends an entry. Resolves when it is kept. The first poll takes the entry as far as it can: a call that is over polls
    /// once, and what is dropped then may still be kept.
    ///
    /// The module reads its errors.
    fn append(&self, entry: Entry) -> BoxFuture<'_, Result<(), JournalError>>;
}

/// What a module appends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The module, by its name in the config.
    pub module: Arc<str>,
    /// The modules inside of it in the chain of the call, outermost first: each as `NAME@` and the first digits of the SHA-256 of
    /// its component.
    pub inside: Vec<String>,
    /// The record: a JSON object in one line, of at most 1 MiB.
    pub record: String,
}

impl Entry {
    /// An entry with this record, if it is one.
    ///
    /// # Errors
    ///
    /// What is wrong with the record.
    pub fn new(module: Arc<str>, mut inside: Vec<String>, record: String) -> Result<Self, JournalError> {
        if record.len() > RECORD {
            return Err(JournalError::new(format!("a record of {} bytes is longer than {RECORD}", record.len())));
        }
        if !record.trim_start().starts_with('{') || serde_json::from_str::<serde::de::IgnoredAny>(&record).is_err() {
            return Err(JournalError::new("a record is a JSON object, and this is none"));
        }
        inside.truncate(INSIDE);
        // Inside of a text of JSON a line end is escaped, so these stand between its parts.
        let record = if record.contains(['\n', '\r']) { record.replace(['\n', '\r'], " ") } else { record };
        Ok(Self { module, inside, record })
    }
}

/// Why a record is not kept. A module reads it, so it must hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct JournalError {
    /// What went wrong.
    pub message: String,
}

impl JournalError {
    /// An error that says what went wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Keeps the last 10,000 entries in memory, for tests and trials. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    entries: Arc<Mutex<VecDeque<Entry>>>,
    /// Why each append fails, if it does.
    problem: Option<JournalError>,
}

impl MemoryJournal {
    /// A journal that keeps nothing: each append fails with this problem.
    pub fn failing(problem: impl Into<String>) -> Self {
        Self { problem: Some(JournalError::new(problem)), ..Self::default() }
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Journal for MemoryJournal {
    fn append(&self, entry: Entry) -> BoxFuture<'_, Result<(), JournalError>> {
        if let Some(problem) = &self.problem {
            return Box::pin(ready(Err(problem.clone())));
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == KEPT {
            entries.pop_front();
        }
        entries.push_back(entry);
        Box::pin(ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(record: &str) -> Result<String, String> {
        let entry = Entry::new("m".into(), Vec::new(), record.to_owned());
        entry.map(|entry| entry.record).map_err(|error| error.message)
    }

    #[test]
    fn a_record_is_an_object_in_one_line() {
        assert_eq!(entry("{\"a\":\r\n 1e999, \"b\": \"\\n\"}").unwrap(), "{\"a\":   1e999, \"b\": \"\\n\"}");
        for wrong in ["", "5", "[{}]", "{", "{}{}", "{\"a\":\"\n\"}", "{\"a\":NaN}", "null"] {
            assert_eq!(entry(wrong).unwrap_err(), "a record is a JSON object, and this is none", "{wrong}");
        }
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(RECORD));
        assert_eq!(entry(&long).unwrap_err(), "a record of 1048584 bytes is longer than 1048576");
        // As deep as it can be, without a stack that overflows.
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(RECORD / 2 - 4), "]".repeat(RECORD / 2 - 4));
        assert!(entry(&deep).is_ok());
    }
}
