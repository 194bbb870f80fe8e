//! What both formats demand of the JSON Schema of an answer.

use serde_json::{Map, Value};

use crate::{
    adapter::format::{
        outline::{Json, Object, Unwritable},
        tools,
    },
    chat::options::JsonSchema,
};

/// Checks the name.
///
/// # Errors
///
/// A name that providers refuse.
pub(crate) fn check(schema: &JsonSchema) -> Result<(), Unwritable> {
    if tools::is_name(&schema.name) {
        return Ok(());
    }
    Err(Unwritable::refused(format!(
        "options.output.json_schema.name is {:?}, which is not a name that providers take\n  help: 1 to 64 letters (a to z), \
         digits, `_` and `-`",
        schema.name
    )))
}

/// Adds what both of OpenAI's formats say of the schema.
pub(crate) fn add<'a>(fields: &mut Object<'a>, schema: &'a JsonSchema) {
    fields.insert("name", schema.name.as_str());
    if !schema.description.is_empty() {
        fields.insert("description", schema.description.as_str());
    }
    let is_strict = schema.strict == Some(true);
    fields.insert("schema", if is_strict { strict(&schema.schema) } else { (&schema.schema).into() });
    if let Some(strict) = schema.strict {
        fields.insert("strict", Json::Bool(strict));
    }
}

/// The schema for a provider that holds the answer to it: an object gets `additionalProperties`, which providers then demand.
pub(crate) fn strict(schema: &Value) -> Json<'_> {
    let Some(fields) = schema.as_object().filter(|fields| is_open_object(fields)) else { return schema.into() };
    let mut closed = Object::default();
    fields.iter().for_each(|(name, value)| closed.insert(name, value));
    closed.insert("additionalProperties", Json::Bool(false));
    closed.into()
}

fn is_open_object(schema: &Map<String, Value>) -> bool {
    let is_set = |name: &str| schema.get(name).is_some_and(|value| !value.is_null());
    let is_object = match schema.get("type") {
        None => is_set("properties"),
        Some(kind) => kind == "object",
    };
    is_object && !is_set("additionalProperties")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_closed() {
        for (schema, closed) in [
            (json!({"type": "object", "properties": {}}), true),
            (json!({"properties": {}}), true),
            (json!({"type": "object", "additionalProperties": null}), true),
            (json!({"type": "object", "additionalProperties": {}}), false),
            (json!({"type": "array"}), false),
            (json!({"$ref": "#/$defs/a"}), false),
        ] {
            let mut expected = schema.clone();
            if closed {
                expected["additionalProperties"] = json!(false);
            }
            assert_eq!(serde_json::to_value(strict(&schema)).unwrap(), expected);
        }
    }

    #[test]
    fn names() {
        assert!(check(&JsonSchema::new("an-answer_2", json!({}))).is_ok());
        for name in ["", "an answer", "größe", "a.b"] {
            let error = check(&JsonSchema::new(name, json!({}))).unwrap_err().to_string();
            assert!(error.starts_with(&format!("options.output.json_schema.name is {name:?}")), "{error}");
        }
    }
}
