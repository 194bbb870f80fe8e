//! Walks the settings of a module beside their JSON Schema.

use serde_json::Value;

use crate::chat::plain::{self, SENTENCE};

/// Calls `visit` for each setting with its schema, its dotted path and its value. The keys of objects, under
/// `propertyNames`, are visited too. With `defaults`, absent settings are visited with the default of their schema.
pub(crate) fn walk<E>(
    schema: &Value,
    settings: &Value,
    defaults: bool,
    visit: &mut impl FnMut(&Value, &str, &Value) -> Result<(), E>,
) -> Result<(), E> {
    Walker { defaults, visit }.value(schema, settings, "")
}

/// The format of a setting, such as `arcllm-provider`.
pub(crate) fn format(schema: &Value) -> Option<&str> {
    schema.get("format").and_then(Value::as_str)
}

/// Whether the setting has this format with this value: its schema has it, or the alternative of its schema for this value, such as
/// `{"oneOf": [{"const": "cheapest", "format": "arcllm-needs-price"}, {"const": "listed"}]}`.
pub(crate) fn has_format(schema: &Value, wanted: &str, value: &Value) -> bool {
    let alternatives = ["oneOf", "anyOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let mut of_value = alternatives.filter(|schema| schema.get("const") == Some(value));
    format(schema) == Some(wanted) || of_value.any(|schema| format(schema) == Some(wanted))
}

/// The settings that this schema of a table requires.
pub(crate) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The first line of what this schema of a table says of a setting.
pub(crate) fn documentation(schema: &Value, key: &str) -> Option<String> {
    let text = schema.get("properties")?.get(key)?.get("description")?.as_str()?;
    text.lines().next().map(|line| plain::line(line, SENTENCE).into_owned())
}

/// The words of a setting that has one of several. `None` if it may have something else.
pub(crate) fn words(schema: &Value) -> Option<Vec<&str>> {
    let words = match (schema.get("enum"), schema.get("oneOf")) {
        (Some(Value::Array(words)), _) => words.iter().map(Value::as_str).collect::<Option<Vec<_>>>(),
        (None, Some(Value::Array(words))) => words.iter().map(|word| word.get("const")?.as_str()).collect(),
        _ => None,
    };
    words.filter(|words| !words.is_empty())
}

struct Walker<'a, V> {
    defaults: bool,
    visit: &'a mut V,
}

impl<V> Walker<'_, V> {
    fn value<E>(&mut self, schema: &Value, value: &Value, path: &str) -> Result<(), E>
    where
        V: FnMut(&Value, &str, &Value) -> Result<(), E>,
    {
        (self.visit)(schema, path, value)?;
        let part = |name: &str| schema.get(name).unwrap_or(&Value::Null);
        match value {
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.value(part("items"), item, &format!("{path}[{at}]"))?;
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    (self.visit)(part("propertyNames"), path, &Value::from(name.as_str()))?;
                    let property = part("properties").get(name).unwrap_or_else(|| part("additionalProperties"));
                    self.value(property, field, &join(path, name))?;
                }
                let properties = part("properties").as_object().filter(|_| self.defaults).into_iter().flatten();
                for (name, property) in properties.filter(|(name, _)| !fields.contains_key(*name)) {
                    if let Some(default) = property.get("default") {
                        self.value(property, default, &join(path, name))?;
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(())
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_format_of_one_value() {
        let schema = json!({"oneOf": [{"const": "cheapest", "format": "f"}, {"const": "listed"}]});
        assert!(has_format(&schema, "f", &json!("cheapest")) && !has_format(&schema, "f", &json!("listed")));
        assert!(!has_format(&schema, "g", &json!("cheapest")) && !has_format(&json!({"oneOf": 1}), "f", &json!(1)));
        assert!(has_format(&json!({"format": "f"}), "f", &json!(1)));
    }

    #[test]
    fn every_setting_is_visited_at_any_depth() {
        let wait = json!({"type": "number", "format": "wait"});
        let schema = json!({"properties": {
            "at_top": wait,
            "list": {"items": {"properties": {"inside": wait}}},
            "map": {"propertyNames": {"format": "provider"}, "additionalProperties": wait},
            "absent": {"format": "wait", "default": 7},
        }});
        let settings = json!({"at_top": 1, "list": [{"inside": 2}], "map": {"a": 3}});
        let found = |defaults| {
            let mut found = Vec::new();
            let mut visit = |schema: &Value, path: &str, value: &Value| {
                found.extend(format(schema).map(|format| format!("{path}: {format} {value}")));
                Ok::<_, ()>(())
            };
            walk(&schema, &settings, defaults, &mut visit).unwrap();
            found
        };
        let given = ["at_top: wait 1", "list[0].inside: wait 2", "map: provider \"a\"", "map.a: wait 3"];
        assert_eq!(found(false), given);
        assert_eq!(found(true), [&given[..], &["absent: wait 7"]].concat());
    }
}
