//! An error in the structure of JSON.

/// The place in the JSON and what is wrong there.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed(pub(crate) String);
