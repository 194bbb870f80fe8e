//! Extensions on the wire: `VENDOR.NAME` stands in the JSON of that vendor's format as `NAME`.

use serde_json::{Map, Value};

use crate::chat::{message::Extensions, reserved};

/// The fields that have no place of their own here, so that they are sent back with the rest. One that would set what an
/// adapter writes itself cannot be sent back, and is left out.
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
        let extensions = others(object.as_object().unwrap(), &["type", "text"], "anthropic");
        assert_eq!(extensions, Extensions::from([("anthropic.citations".into(), json!([1]))]));
    }
}
