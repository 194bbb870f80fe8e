//! Walks the settings of a module beside their JSON Schema.

use serde_json::Value;

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
