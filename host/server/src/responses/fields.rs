//! Reads the fields of JSON objects. What is wrong is told with its place, such as `input[2].content[0].text`.

use std::fmt;

use arcllm::Extensions;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// A place in a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    outer: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'p str),
    Item(usize),
}

impl<'p> Place<'p> {
    /// The whole body.
    pub(crate) const ROOT: Place<'static> = Place { outer: None, step: Step::Root };

    /// A field of the object here.
    pub(crate) fn field(&'p self, name: &'p str) -> Self {
        Self { outer: Some(self), step: Step::Field(name) }
    }

    /// An item of the list here.
    pub(crate) fn item(&'p self, index: usize) -> Self {
        Self { outer: Some(self), step: Step::Item(index) }
    }

    /// What is wrong here.
    pub(crate) fn problem(&self, message: impl Into<String>) -> Problem {
        let place = match self.step {
            Step::Root => "body".to_owned(),
            Step::Field(_) | Step::Item(_) => self.to_string(),
        };
        Problem::bad_field(place, message)
    }

    /// Says that another type is wanted here.
    pub(crate) fn wrong_type(&self, found: &Value, wanted: &str) -> Problem {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.problem(format!("is {found}, and must be {wanted}"))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outer = self.outer.filter(|outer| !matches!(outer.step, Step::Root));
        if let Some(outer) = outer {
            outer.fmt(formatter)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) if outer.is_some() => write!(formatter, ".{name}"),
            Step::Field(name) => formatter.write_str(name),
            Step::Item(index) => write!(formatter, "[{index}]"),
        }
    }
}

/// The extension that is the field of this name for a provider of this format. No other format writes it.
pub(crate) fn extension(name: &str) -> String {
    format!("openai.responses.{name}")
}

/// An object whose fields are taken out one by one. A field that is null counts as absent.
pub(crate) struct Fields<'p> {
    pub(crate) at: Place<'p>,
    pub(crate) map: Map<String, Value>,
}

impl<'p> Fields<'p> {
    /// The object at this place.
    pub(crate) fn of(at: Place<'p>, value: Value) -> Result<Self, Problem> {
        match value {
            Value::Object(map) => Ok(Self { at, map }),
            other => Err(at.wrong_type(&other, "an object")),
        }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// The `type`, which stays.
    pub(crate) fn kind(&self) -> Result<Option<&str>, Problem> {
        match self.map.get("type") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(kind)) => Ok(Some(kind)),
            Some(other) => Err(self.at.field("type").wrong_type(other, "a string")),
        }
    }

    pub(crate) fn need_kind(&self) -> Result<&str, Problem> {
        self.kind()?.ok_or_else(|| self.missing("type"))
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.at.field(name).wrong_type(&other, "a string")),
        }
    }

    pub(crate) fn need_text(&mut self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(self.at.field(name).wrong_type(&other, "a list")),
        }
    }

    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(self.at.field(name).wrong_type(&other, "an object")),
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.at.field(name).wrong_type(&other, "true or false")),
        }
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_f64() {
            Some(number) => Ok(Some(number)),
            None => Err(self.at.field(name).wrong_type(&value, "a number")),
        }
    }

    /// A number of tokens. One that is too large for a model is the largest.
    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u32>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_u64().filter(|count| *count > 0) {
            Some(count) => Ok(Some(u32::try_from(count).unwrap_or(u32::MAX))),
            None => Err(self.at.field(name).problem(format!("is {value}, and must be a whole number above zero"))),
        }
    }

    pub(crate) fn missing(&self, name: &str) -> Problem {
        self.at.field(name).problem("is missing")
    }

    /// What was not taken, as extensions.
    pub(crate) fn into_extensions(mut self) -> Extensions {
        self.map.remove("type");
        extensions(self.map)
    }

    /// The object as it is now.
    pub(crate) fn into_value(self) -> Value {
        self.map.into()
    }
}

/// These fields as extensions. An empty list says nothing.
pub(crate) fn extensions(fields: Map<String, Value>) -> Extensions {
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let fields = fields.into_iter().filter(|(_, value)| !is_empty(value));
    fields.map(|(name, value)| (extension(&name), value)).collect()
}
