//! Fields that only this format has, as extensions.

use arcllm::Extensions;
use serde_json::{Map, Value};

use crate::client::fields::Fields;

/// The extension that is the field of this name for a provider of this format. No other format writes it.
pub(crate) fn extension(name: &str) -> String {
    format!("openai.responses.{name}")
}

/// What was not read of an object that has a type.
pub(crate) fn others(fields: Fields<'_>) -> Extensions {
    let mut rest = fields.rest();
    rest.shift_remove("type");
    extensions(rest)
}

/// These fields as extensions. An empty list says nothing.
pub(crate) fn extensions(fields: Map<String, Value>) -> Extensions {
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let fields = fields.into_iter().filter(|(_, value)| !is_empty(value));
    fields.map(|(name, value)| (extension(&name), value)).collect()
}
