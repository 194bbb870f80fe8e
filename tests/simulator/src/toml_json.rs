//! TOML values as JSON. Values that JSON lacks are errors.

use serde_json::{Map, Number, Value};

/// The same value as JSON.
///
/// # Errors
/// If JSON has no such value: the key, and what to write instead.
pub(crate) fn to_json(key: &str, value: toml::Value) -> Result<Value, String> {
    match value {
        toml::Value::String(text) => Ok(Value::String(text)),
        toml::Value::Integer(number) => Ok(number.into()),
        toml::Value::Float(number) => Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("`{key}` is {number}, which JSON does not have: give a finite number")),
        toml::Value::Boolean(truth) => Ok(truth.into()),
        toml::Value::Datetime(time) => {
            Err(format!("`{key}` is a date, which JSON does not have: put {time} in quotes"))
        }
        toml::Value::Array(items) => {
            let items = items.into_iter().zip(0_u32..);
            items.map(|(item, index)| to_json(&format!("{key}[{index}]"), item)).collect()
        }
        toml::Value::Table(table) => {
            let entries = table.into_iter().map(|(name, entry)| {
                let entry = to_json(&format!("{key}.{name}"), entry)?;
                Ok((name, entry))
            });
            entries.collect::<Result<Map<_, _>, String>>().map(Value::Object)
        }
    }
}
