//! The types of the library and those of the WIT, each made of the other.
//!
//! A conversation is converted only where a module reads it or writes one of its own; forwarding converts nothing.

use serde_json::Value;

use crate::{chat::message::Extensions, runtime::guest::bindings::arcllm::llm::types as wit};

/// JSON from a module that may be none: kept as text then.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

pub(crate) fn extensions_out(extensions: &Extensions) -> wit::Extensions {
    extensions.iter().map(|(key, value)| (key.clone(), value.to_string())).collect()
}

pub(crate) fn extensions_in(extensions: wit::Extensions) -> Extensions {
    extensions.into_iter().map(|(key, value)| (key, json(&value))).collect()
}
