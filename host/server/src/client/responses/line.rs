//! Writes one server-sent event. No tree of JSON is built: a piece of text is the most frequent event.

use std::io::Write as _;

use serde::Serialize;

use crate::client::responses::object::{Head, State, field};

/// Where events are written, and their number.
pub(crate) struct Lines<'o> {
    pub(crate) sequence: &'o mut u64,
    pub(crate) out: &'o mut Vec<u8>,
}

impl Lines<'_> {
    /// An event of this type, with the next number.
    pub(crate) fn line(&mut self, kind: &str) -> Line<'_> {
        // Writing to a vector cannot fail.
        let _ = write!(self.out, "event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{}", self.sequence);
        *self.sequence += 1;
        Line(self.out)
    }
}

/// An event under construction.
pub(crate) struct Line<'o>(&'o mut Vec<u8>);

impl Line<'_> {
    /// Adds a field.
    #[must_use]
    pub(crate) fn field(self, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        field(name, value, self.0);
        self
    }

    /// Adds a field whose value is JSON already.
    #[must_use]
    pub(crate) fn json(self, name: &str, json: &[u8]) -> Self {
        let _ = write!(self.0, ",\"{name}\":");
        self.0.extend_from_slice(json);
        self
    }

    /// Adds the object of the response.
    #[must_use]
    pub(crate) fn response(self, head: &Head, state: &State, items: &[Vec<u8>]) -> Self {
        self.0.extend_from_slice(b",\"response\":");
        head.write(state, items, self.0);
        self
    }

    /// Ends the event.
    pub(crate) fn end(self) {
        self.0.extend_from_slice(b"}\n\n");
    }
}
