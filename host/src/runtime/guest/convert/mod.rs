//! Conversions between the library's types and those of the WIT. A module that only forwards a conversation causes
//! none.

pub(crate) mod attempt;
pub(crate) mod content;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod facts;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod json;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod state;

#[cfg(test)]
mod tests;
