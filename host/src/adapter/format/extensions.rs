//! Extensions on the wire. The extension `VENDOR.NAME` is the field `NAME` in the JSON of that vendor's format.

use serde_json::{Map, Value};

use crate::chat::{extensions::Extensions, reserved};

/// The vendor of Anthropic Messages.
pub(crate) const ANTHROPIC: &str = "anthropic";

/// The vendor of OpenAI Chat Completions.
pub(crate) const OPENAI: &str = "openai";

/// The unknown fields as extensions, so that they can be sent back. Leaves out a field that an adapter writes itself.
pub(crate) fn others(object: &Map<String, Value>, known: &[&str], vendor: &str) -> Extensions {
    let other = object.iter().filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
    let other = other.map(|(name, value)| (format!("{vendor}.{name}"), value.clone()));
    other.filter(|(key, _)| !reserved::is_of_block(key)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn others_come_back() {
        let object =
            json!({"type": "text", "text": "a", "citations": [1], "none": null, "Text": "b", "role": "system"});
        let extensions = others(object.as_object().unwrap(), &["type", "text"], ANTHROPIC);
        assert_eq!(extensions, Extensions::from([("anthropic.citations".into(), json!([1]))]));
    }
}
