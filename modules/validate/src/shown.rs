//! Values in what people and models are told.

use serde_json::Value;

/// The most characters of a value.
pub(crate) const SHOWN: usize = 80;

/// A value as JSON, cut.
pub(crate) fn shown(value: &Value) -> String {
    let mut json = value.to_string();
    if json.len() > SHOWN {
        json.truncate(json.floor_char_boundary(SHOWN));
        json.push('…');
    }
    json
}
