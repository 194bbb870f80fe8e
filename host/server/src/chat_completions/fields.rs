//! Reads the objects of a request. An error names the place, such as `messages[2].content[0].type`.

use std::fmt;

use arcllm::{CacheMark, ExtensionLevel, Extensions, is_reserved_extension};
use serde_json::{Map, Value};

use crate::problem::Problem;

/// The field that marks up to where a provider should keep the conversation.
pub(crate) const CACHE_MARK: &str = "cache_control";

/// A place in a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// The body itself.
    Top,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Top => formatter.write_str("body"),
            Place::Field(Place::Top, name) => formatter.write_str(name),
            Place::Field(place, name) => write!(formatter, "{place}.{name}"),
            Place::Item(place, at) => write!(formatter, "{place}[{at}]"),
        }
    }
}

impl<'a> Place<'a> {
    pub(crate) fn field(&'a self, name: &'a str) -> Self {
        Place::Field(self, name)
    }

    pub(crate) fn item(&'a self, at: usize) -> Self {
        Place::Item(self, at)
    }

    /// A 400 that names this place.
    pub(crate) fn problem(&self, what: impl Into<String>) -> Problem {
        Problem::bad_field(self.to_string(), what)
    }

    /// A 400 for a value of the wrong type.
    pub(crate) fn expected(&self, what: &str, found: &Value) -> Problem {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.problem(format!("expected {what}, found {found}"))
    }
}

/// The fields of an object that were not read yet. Null is as good as absent.
pub(crate) struct Fields<'a> {
    pub(crate) place: Place<'a>,
    fields: Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// Those of the object at this place.
    pub(crate) fn of(value: Value, place: Place<'a>) -> Result<Self, Problem> {
        match value {
            Value::Object(fields) => Ok(Self { place, fields }),
            other => Err(place.expected("an object", &other)),
        }
    }

    /// A field that is there.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// Takes a field of any type.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.swap_remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.place.field(name).expected("a string", &other)),
        }
    }

    pub(crate) fn need_text(&mut self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A field that has to be there.
    pub(crate) fn need(&mut self, name: &str) -> Result<Value, Problem> {
        self.take(name).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Problem {
        self.place.field(name).problem("is missing")
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>, Problem> {
        self.read(name, "a number", Value::as_f64)
    }

    /// A count. One that is larger than any limit is the largest there is.
    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u32>, Problem> {
        let count = self.read(name, "a whole number from 0 on", |value| {
            value
                .as_u64()
                .or_else(|| value.as_f64().filter(|number| *number >= 0.0 && number.fract() == 0.0).map(|n| n as u64))
        })?;
        Ok(count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)))
    }

    pub(crate) fn whole(&mut self, name: &str) -> Result<Option<i64>, Problem> {
        self.read(name, "a whole number", Value::as_i64)
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        self.read(name, "a boolean", Value::as_bool)
    }

    fn read<T>(&mut self, name: &str, what: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        read(&value).map(Some).ok_or_else(|| self.place.field(name).expected(what, &value))
    }

    /// A list, empty if it is absent.
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Value>, Problem> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(self.place.field(name).expected("a list", &other)),
        }
    }

    /// Takes the mark up to where a provider should keep the conversation, as OpenRouter and LiteLLM have it.
    pub(crate) fn cache_mark(&mut self) -> Result<Option<CacheMark>, Problem> {
        let Some(mark) = self.take(CACHE_MARK) else { return Ok(None) };
        let place = self.place;
        let mut fields = Fields::of(mark, place.field(CACHE_MARK))?;
        fields.text("type")?;
        let mut mark = CacheMark::new();
        mark.ttl = match fields.text("ttl")?.as_deref() {
            None => None,
            Some("1h") => Some(std::time::Duration::from_secs(3600)),
            Some(_) => Some(std::time::Duration::from_secs(300)),
        };
        fields.keep_as(ExtensionLevel::CacheMark, "anthropic.", &mut mark.extensions);
        Ok(Some(mark))
    }

    /// The fields that are left.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }

    /// Keeps the fields that are left as extensions, so that a provider of the same format gets them.
    pub(crate) fn keep(self, level: ExtensionLevel, extensions: &mut Extensions) {
        self.keep_as(level, "openai.", extensions);
    }

    /// The same for an object of this name inside of what has the extensions.
    pub(crate) fn keep_inside(self, object: &str, level: ExtensionLevel, extensions: &mut Extensions) {
        self.keep_as(level, &format!("openai.{object}."), extensions);
    }

    fn keep_as(self, level: ExtensionLevel, before: &str, extensions: &mut Extensions) {
        let kept = self.rest().into_iter().map(|(name, value)| (format!("{before}{name}"), value));
        extensions.extend(kept.filter(|(key, _)| !is_reserved_extension(level, key)));
    }
}
