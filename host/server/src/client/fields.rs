//! Reads the fields of a JSON object. What is not read is unknown, and becomes extensions.

use arcllm::{ExtensionLevel, Extensions, Options, is_reserved_extension};
use serde_json::{Map, Value};

use crate::client::{place::Place, problem::Problem};

/// The fields of an object that are not read yet. Null is an absent field.
pub(crate) struct Fields<'a> {
    /// Where the object stands.
    pub(crate) place: Place<'a>,
    fields: Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The fields of this value.
    ///
    /// # Errors
    ///
    /// If it is no object. So are all errors here: the place, and what it must be.
    pub(crate) fn of(value: Value, place: Place<'a>) -> Result<Self, Problem> {
        match value {
            Value::Object(fields) => Ok(Self { place, fields }),
            other => Err(place.expected("an object", &other)),
        }
    }

    /// A field, without reading it.
    pub(crate) fn peek(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A field of any type.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.shift_remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        self.typed(name, "a string", |value| match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        })
    }

    pub(crate) fn need_text(&mut self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A field of any type that has to be there.
    pub(crate) fn need(&mut self, name: &str) -> Result<Value, Problem> {
        self.take(name).ok_or_else(|| self.missing(name))
    }

    /// The error for a field that is missing.
    pub(crate) fn missing(&self, name: &str) -> Problem {
        self.place.field(name).missing()
    }

    /// The `type`, which stays.
    pub(crate) fn kind(&self) -> Result<Option<&str>, Problem> {
        match self.peek("type") {
            None => Ok(None),
            Some(Value::String(kind)) => Ok(Some(kind)),
            Some(other) => Err(self.place.field("type").expected("a string", other)),
        }
    }

    pub(crate) fn need_kind(&self) -> Result<&str, Problem> {
        self.kind()?.ok_or_else(|| self.missing("type"))
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        self.typed(name, "true or false", |value| value.as_bool().ok_or(value))
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>, Problem> {
        self.typed(name, "a number", |value| value.as_f64().ok_or(value))
    }

    /// The field `temperature`, which all formats have.
    pub(crate) fn temperature(&mut self) -> Result<Option<f64>, Problem> {
        match self.number("temperature")? {
            Some(number) if !Options::TEMPERATURES.contains(&number) => {
                Err(self.place.field("temperature").problem(format!("must be a number from 0 to 2, not {number}")))
            }
            number => Ok(number),
        }
    }

    /// A whole number from 0 on. One that is larger than the largest is the largest.
    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u32>, Problem> {
        self.typed(name, "a whole number from 0 on", |value| count(&value).ok_or(value))
    }

    pub(crate) fn whole(&mut self, name: &str) -> Result<Option<i64>, Problem> {
        self.typed(name, "a whole number", |value| value.as_i64().ok_or(value))
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Problem> {
        self.typed(name, "a list", |value| match value {
            Value::Array(items) => Ok(items),
            other => Err(other),
        })
    }

    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, Problem> {
        let outer = self.place;
        let place = outer.field(name);
        let items = self.list(name)?.unwrap_or_default().into_iter().enumerate();
        let text = |(at, item)| match item {
            Value::String(text) => Ok(text),
            other => Err(place.item(at).expected("a string", &other)),
        };
        items.map(text).collect()
    }

    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, Problem> {
        self.typed(name, "an object", |value| match value {
            Value::Object(fields) => Ok(fields),
            other => Err(other),
        })
    }

    fn typed<T>(
        &mut self,
        name: &str,
        must_be: &str,
        read: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        read(value).map(Some).map_err(|value| self.place.field(name).expected(must_be, &value))
    }

    /// What was not read.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }

    /// What was not read, as extensions for the same format upstream: the field NAME is the one that `before` and NAME give.
    /// Leaves out what another field of the request would contradict.
    pub(crate) fn others(self, level: ExtensionLevel, before: &str) -> Extensions {
        let others = self.rest().into_iter().map(|(name, value)| (format!("{before}{name}"), value));
        others.filter(|(key, _)| !is_reserved_extension(level, key)).collect()
    }

    /// The object with the fields that were not read.
    pub(crate) fn into_value(self) -> Value {
        self.fields.into()
    }

    /// Whether all fields were read.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.values().all(Value::is_null)
    }
}

fn count(value: &Value) -> Option<u32> {
    let whole = |number: f64| (number >= 0.0 && number.fract() == 0.0).then_some(number as u64);
    let count = value.as_u64().or_else(|| whole(value.as_f64()?))?;
    Some(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_have_types_and_null_is_absent() {
        let value = json!({"a": "x", "n": null, "b": true, "f": 0.5, "c": 9.0, "big": 1e12, "l": ["x"], "o": {}});
        let place = Place::Body.field("o");
        let mut fields = Fields::of(value, place).unwrap();
        assert_eq!(fields.need_text("a").unwrap(), "x");
        assert_eq!(fields.text("n").unwrap(), None);
        assert_eq!(fields.flag("b").unwrap(), Some(true));
        assert_eq!(fields.number("f").unwrap(), Some(0.5));
        assert_eq!((fields.count("c").unwrap(), fields.count("big").unwrap()), (Some(9), Some(u32::MAX)));
        assert_eq!(fields.texts("l").unwrap(), ["x"]);
        assert_eq!(fields.object("o").unwrap(), Some(Map::new()));
        assert_eq!(fields.need_text("a").unwrap_err().message, "o.a: is missing");
        assert!(fields.is_empty());
    }

    #[test]
    fn a_wrong_type_names_the_place() {
        for (value, place) in [(json!({"x": 1}), "x"), (json!({"x": ["a", 1]}), "x[1]")] {
            let mut fields = Fields::of(value, Place::Body).unwrap();
            assert_eq!(fields.texts("x").unwrap_err().param.as_deref(), Some(place));
        }
        for wrong in [json!(-1), json!(0.5), json!("1")] {
            let mut fields = Fields::of(json!({"x": wrong}), Place::Body).unwrap();
            assert!(fields.count("x").is_err(), "{wrong}");
        }
        assert!(Fields::of(json!([]), Place::Body).is_err());
    }

    #[test]
    fn unknown_fields_are_extensions_unless_an_adapter_writes_them() {
        let fields = Fields::of(json!({"container": "c", "none": null, "Stream": 1, "stop": []}), Place::Body).unwrap();
        assert_eq!(
            fields.others(ExtensionLevel::Body, "anthropic."),
            Extensions::from([("anthropic.container".into(), json!("c"))])
        );
    }
}
