//! JSON to be sent. It borrows the texts of the request, so that a conversation of megabytes is copied only once: into the
//! bytes that are sent.

use std::{borrow::Cow, fmt, io};

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

use crate::{
    adapter::format::extensions::{OPENAI, RESPONSES},
    chat::extensions::Extensions,
};

/// The field of a body with the choice of a tool, and what begins the names of extensions that are fields of it.
const CHOICE: &str = "tool_choice";
const IN_CHOICE: &str = "tool_choice.";

/// A JSON value.
#[derive(Debug)]
pub(crate) enum Json<'a> {
    Text(&'a str),
    /// One text: these joined, with the separator between them.
    Joined(Vec<Cow<'a, str>>, &'static str),
    /// A text: the prefix and the bytes in base64.
    Base64(String, &'a [u8]),
    /// A text that holds these fields as JSON.
    AsText(&'a Map<String, Value>),
    Fields(&'a Map<String, Value>),
    Value(&'a Value),
    Null,
    Bool(bool),
    Number(Number),
    /// A short text of its own.
    Owned(String),
    List(Vec<Json<'a>>),
    Object(Box<[(&'a str, Json<'a>)]>),
}

/// A JSON object under construction. Its fields keep their order.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(IndexMap<&'a str, Json<'a>>);

/// Why a request cannot be written in a wire format.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritable {
    /// The value of this option has no JSON.
    #[error("the option `{0}` is not a finite number")]
    NotFinite(&'static str),
    /// The provider would refuse it: where, why, and what to do.
    #[error("{0}")]
    Refused(String),
    /// The JSON cannot be written.
    #[error("the request cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Unwritable {
    pub(crate) fn refused(problem: impl Into<String>) -> Self {
        Unwritable::Refused(problem.into())
    }
}

impl<'a> Object<'a> {
    pub(crate) fn new<const N: usize>(fields: [(&'a str, Json<'a>); N]) -> Self {
        Self(fields.into_iter().collect())
    }

    pub(crate) fn insert(&mut self, name: &'a str, value: impl Into<Json<'a>>) {
        self.0.insert(name, value.into());
    }

    /// Inserts an option of the request, if it is set. JSON cannot express NaN and infinities.
    pub(crate) fn insert_number(&mut self, name: &'static str, number: Option<f64>) -> Result<(), Unwritable> {
        if let Some(number) = number {
            let number = Number::from_f64(number).ok_or(Unwritable::NotFinite(name))?;
            self.insert(name, Json::Number(number));
        }
        Ok(())
    }

    /// Inserts a field, if there is none of this name.
    pub(crate) fn insert_missing(&mut self, name: &'a str, value: impl Into<Json<'a>>) {
        self.0.entry(name).or_insert_with(|| value.into());
    }

    /// Inserts these fields into the object of this name, which is made if there is none.
    pub(crate) fn extend_field(&mut self, name: &'a str, more: &'a Map<String, Value>) {
        let mut fields: Object<'a> = match self.0.shift_remove(name) {
            Some(Json::Object(fields)) => fields.into_vec().into_iter().collect(),
            Some(Json::Value(Value::Object(fields))) => {
                fields.iter().map(|(name, value)| (name.as_str(), value.into())).collect()
            }
            _ => Object::default(),
        };
        more.iter().for_each(|(name, value)| fields.insert(name, value));
        self.insert(name, fields);
    }

    /// Removes a field.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.shift_remove(name);
    }

    /// Inserts all fields of another object. They replace fields of the same name.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Inserts this vendor's extensions. They replace fields of the same name; null removes the field.
    pub(crate) fn apply(&mut self, extensions: &'a Extensions, vendor: &str) {
        self.apply_those(extensions, vendor, |_| true);
    }

    /// Inserts those of this vendor's extensions whose name is taken.
    pub(crate) fn apply_those(&mut self, extensions: &'a Extensions, vendor: &str, takes: impl Fn(&str) -> bool) {
        for (key, value) in extensions {
            let Some(name) = key.strip_prefix(vendor).and_then(|rest| rest.strip_prefix('.')) else { continue };
            // OpenAI's two formats share a vendor.
            let is_other_formats =
                vendor == OPENAI && key.strip_prefix(RESPONSES).is_some_and(|rest| rest.starts_with('.'));
            match value {
                _ if is_other_formats || !takes(name) => {}
                Value::Null => drop(self.0.swap_remove(name)),
                value => match name.strip_prefix(IN_CHOICE) {
                    Some(field) => self.insert_in_choice(field, value),
                    None => self.insert(name, value),
                },
            }
        }
    }

    /// Inserts a field into the choice of a tool, if that is an object. What stands there stays.
    fn insert_in_choice(&mut self, name: &'a str, value: &'a Value) {
        let Some(choice) = self.0.get_mut(CHOICE) else { return };
        match std::mem::replace(choice, Json::Bool(true)) {
            Json::Object(fields) => {
                let mut fields: Object<'a> = fields.into_vec().into_iter().collect();
                fields.insert_missing(name, value);
                *choice = fields.into();
            }
            other => *choice = other,
        }
    }

    /// The object with this vendor's extensions.
    pub(crate) fn extended(mut self, extensions: &'a Extensions, vendor: &str) -> Json<'a> {
        self.apply(extensions, vendor);
        self.into()
    }

    /// The bytes to send.
    pub(crate) fn into_bytes(self) -> Result<Vec<u8>, Unwritable> {
        let json = Json::from(self);
        // A buffer that grows is copied each time, and ends up to twice as large as its content.
        let mut bytes = Vec::with_capacity(json.length());
        serde_json::to_writer(&mut bytes, &json)?;
        Ok(bytes)
    }
}

impl<'a> Json<'a> {
    pub(crate) fn object<const N: usize>(fields: [(&'a str, Json<'a>); N]) -> Self {
        Json::Object(fields.into())
    }

    /// The text of a block or a part with no other fields than its type and its text.
    pub(crate) fn plain_text(&self) -> Option<Cow<'a, str>> {
        self.only_text("text")
    }

    /// The text of an object with no other fields than this `type` and its text.
    pub(crate) fn only_text(&self, kind: &str) -> Option<Cow<'a, str>> {
        match self {
            Json::Object(fields) if fields.len() == 2 && self.is(kind) => match field(fields, "text")? {
                Json::Owned(text) => Some(Cow::Owned(text.clone())),
                text => text.as_str().map(Cow::Borrowed),
            },
            Json::Value(Value::Object(fields)) if fields.len() == 2 && self.is(kind) => {
                fields.get("text")?.as_str().map(Cow::Borrowed)
            }
            _ => None,
        }
    }

    /// Whether it is an object with this `type`.
    pub(crate) fn is(&self, kind: &str) -> bool {
        let found = match self {
            Json::Object(fields) => field(fields, "type").and_then(Json::as_str),
            Json::Value(value) => value.get("type").and_then(Value::as_str),
            _ => None,
        };
        found == Some(kind)
    }

    fn as_str(&self) -> Option<&'a str> {
        match self {
            Json::Text(text) => Some(text),
            Json::Value(value) => value.as_str(),
            _ => None,
        }
    }

    /// About how many bytes it takes: rarely fewer than in the end.
    fn length(&self) -> usize {
        match self {
            Json::Text(text) => text_length(text),
            Json::Joined(texts, gap) => texts.iter().map(|text| text_length(text) + 2 * gap.len()).sum(),
            Json::Base64(before, bytes) => before.len() + bytes.len().div_ceil(3) * 4 + 2,
            Json::AsText(fields) => fields_length(fields, TWICE) + 2,
            Json::Fields(fields) => fields_length(fields, ONCE),
            Json::Value(value) => value_length(value, ONCE),
            Json::Null | Json::Bool(_) => 5,
            Json::Number(_) => 20,
            Json::Owned(text) => text_length(text),
            Json::List(items) => items.iter().map(|item| item.length() + 1).sum::<usize>() + 2,
            Json::Object(fields) => {
                fields.iter().map(|(name, field)| text_length(name) + field.length() + 2).sum::<usize>() + 2
            }
        }
    }
}

fn field<'a, 'b>(fields: &'b [(&'a str, Json<'a>)], name: &str) -> Option<&'b Json<'a>> {
    fields.iter().find(|(found, _)| *found == name).map(|(_, field)| field)
}

fn text_length(text: &str) -> usize {
    escaped_length(text, ONCE)
}

/// The bytes that escaping adds to a character, and the bytes of the quotes around a text.
type Escaping = (usize, usize);
const ONCE: Escaping = (1, 2);
/// In JSON inside of a text of JSON.
const TWICE: Escaping = (3, 4);

fn escaped_length(text: &str, (each, quotes): Escaping) -> usize {
    // Other control characters than line breaks and tabs take more, but are rare.
    let escaped = text.bytes().filter(|byte| matches!(byte, b'"' | b'\\' | ..b' ')).count();
    text.len() + escaped * each + quotes
}

fn value_length(value: &Value, escaping: Escaping) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 20,
        Value::String(text) => escaped_length(text, escaping),
        Value::Array(items) => items.iter().map(|item| value_length(item, escaping) + 1).sum::<usize>() + 2,
        Value::Object(fields) => fields_length(fields, escaping),
    }
}

fn fields_length(fields: &Map<String, Value>, escaping: Escaping) -> usize {
    let each = |(name, field): (&String, &Value)| escaped_length(name, escaping) + value_length(field, escaping) + 2;
    fields.iter().map(each).sum::<usize>() + 2
}

impl<'a> FromIterator<(&'a str, Json<'a>)> for Object<'a> {
    fn from_iter<T: IntoIterator<Item = (&'a str, Json<'a>)>>(fields: T) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl<'a> From<Object<'a>> for Json<'a> {
    fn from(object: Object<'a>) -> Self {
        Json::Object(object.0.into_iter().collect())
    }
}

impl From<u32> for Json<'_> {
    fn from(number: u32) -> Self {
        Json::Number(number.into())
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(text: &'a str) -> Self {
        Json::Text(text)
    }
}

impl<'a> From<Cow<'a, str>> for Json<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Json::Text(text),
            Cow::Owned(text) => Json::Owned(text),
        }
    }
}

impl<'a> From<&'a Value> for Json<'a> {
    fn from(value: &'a Value) -> Self {
        Json::Value(value)
    }
}

impl<'a> From<Vec<Json<'a>>> for Json<'a> {
    fn from(items: Vec<Json<'a>>) -> Self {
        Json::List(items)
    }
}

impl<'a> FromIterator<Json<'a>> for Json<'a> {
    fn from_iter<T: IntoIterator<Item = Json<'a>>>(items: T) -> Self {
        Json::List(items.into_iter().collect())
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Text(text) => serializer.serialize_str(text),
            Json::Joined(texts, gap) => serializer.collect_str(&Joined(texts, gap)),
            Json::Base64(before, bytes) => {
                serializer.collect_str(&format_args!("{before}{}", Base64Display::new(bytes, &STANDARD)))
            }
            Json::AsText(fields) => serializer.collect_str(&DisplayedJson(fields)),
            Json::Fields(fields) => fields.serialize(serializer),
            Json::Value(value) => value.serialize(serializer),
            Json::Null => serializer.serialize_unit(),
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Number(number) => number.serialize(serializer),
            Json::Owned(text) => serializer.serialize_str(text),
            Json::List(items) => serializer.collect_seq(items),
            Json::Object(fields) => serializer.collect_map(fields.iter().map(|(name, field)| (name, field))),
        }
    }
}

/// Displays fields as JSON without copying it.
struct DisplayedJson<'a>(&'a Map<String, Value>);

impl fmt::Display for DisplayedJson<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        serde_json::to_writer(FormatterWriter(formatter), self.0).map_err(|_| fmt::Error)
    }
}

/// Writes to a formatter.
struct FormatterWriter<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl io::Write for FormatterWriter<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Each piece is valid text: serde_json splits it only at escapes.
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Joined<'a>(&'a [Cow<'a, str>], &'static str);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, text) in self.0.iter().enumerate() {
            if at > 0 {
                formatter.write_str(self.1)?;
            }
            formatter.write_str(text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
