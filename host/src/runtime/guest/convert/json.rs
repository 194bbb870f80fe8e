//! JSON and extensions, between the library's types and those of the WIT.
//!

use serde_json::Value;

use crate::{chat::extensions::Extensions, runtime::guest::bindings::arcllm::llm::types as wit};

/// Reads JSON from a module. Text that is not JSON is kept as text.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

pub(crate) fn extensions_out(extensions: &Extensions) -> wit::Extensions {
    extensions.iter().map(|(key, value)| (key.clone(), value.to_string())).collect()
}

pub(crate) fn extensions_in(extensions: wit::Extensions) -> Extensions {
    extensions.into_iter().map(|(key, value)| (key, json(&value))).collect()
}
