//! Extensions on the wire: `VENDOR.NAME` stands in the JSON of that vendor's format as `NAME`.

use serde_json::{Map, Value};

use crate::{message::Extensions, reserved};

/// Puts this vendor's extensions into the object, over what is there. Null takes a field out.
pub(super) fn apply(object: &mut Map<String, Value>, extensions: &Extensions, vendor: &str) {
    for (key, value) in extensions {
        let Some(name) = key.strip_prefix(vendor).and_then(|rest| rest.strip_prefix('.')) else { continue };
        match value {
            Value::Null => object.remove(name),
            value => object.insert(name.to_owned(), value.clone()),
        };
    }
}

/// The object with this vendor's extensions.
pub(super) fn extended(mut value: Value, extensions: &Extensions, vendor: &str) -> Value {
    if let Value::Object(object) = &mut value {
        apply(object, extensions, vendor);
    }
    value
}

/// The reverse: the fields that have no place of their own here, so that they are sent back with the rest. One that would set
/// what an adapter writes itself cannot be sent back, and is left out.
pub(super) fn others(object: &Map<String, Value>, known: &[&str], vendor: &str) -> Extensions {
    let other = object.iter().filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
    let other = other.map(|(name, value)| (format!("{vendor}.{name}"), value.clone()));
    other.filter(|(key, _)| !reserved::is_of_block(key)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_this_vendor_only_and_over_what_is_there() {
        let extensions = Extensions::from([
            ("anthropic.cache_control".into(), json!({"type": "ephemeral"})),
            ("anthropic.text".into(), json!("other")),
            ("anthropic.gone".into(), json!(null)),
            ("anthropics.a".into(), json!(1)),
            ("openai.name".into(), json!("x")),
            ("bare".into(), json!(1)),
        ]);
        let value = extended(json!({"text": "a", "gone": 1, "b": 2}), &extensions, "anthropic");
        assert_eq!(value, json!({"text": "other", "b": 2, "cache_control": {"type": "ephemeral"}}));
    }

    #[test]
    fn others_come_back() {
        let object =
            json!({"type": "text", "text": "a", "citations": [1], "none": null, "Text": "b", "role": "system"});
        let extensions = others(object.as_object().unwrap(), &["type", "text"], "anthropic");
        assert_eq!(extensions, Extensions::from([("anthropic.citations".into(), json!([1]))]));
    }
}
