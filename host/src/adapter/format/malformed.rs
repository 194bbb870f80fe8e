//! Why JSON is not what a wire format says.

/// What was expected where.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed(pub(crate) String);
