//! Adapters: turn a request into one exchange with a provider, and the answer into a response.

pub(crate) mod adapter;
pub(crate) mod answer;
pub(crate) mod excerpt;
pub(crate) mod format;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod http;
pub(crate) mod key;
pub(crate) mod markup;
pub(crate) mod secrets;
