//! Errors of answers that cannot be read.

use serde_json::Value;

use crate::chat::content::ContentBlock;

/// The place in the JSON and what is wrong there.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed(pub(crate) String);

/// Why a body with a 2xx status is no response.
#[derive(Debug, PartialEq)]
pub(crate) enum Unreadable {
    /// It is an error, although its status is not.
    Error {
        /// The status that fits the error.
        status: u16,
        /// The body of the error.
        body: Value,
    },
    /// An error ended the answer.
    Ended {
        /// The error.
        error: Box<Unreadable>,
        /// What was said before.
        received: Vec<ContentBlock>,
    },
    /// It is JSON, but not in the format.
    Malformed(Malformed),
    /// It is no answer at all, such as a text that is not JSON. No provider means it, so another attempt helps.
    NoAnswer(Malformed),
}

impl From<Malformed> for Unreadable {
    fn from(malformed: Malformed) -> Self {
        Unreadable::Malformed(malformed)
    }
}
