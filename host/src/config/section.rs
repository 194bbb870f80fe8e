//! Reads a table key by key. A key that is left over is unknown, and an error.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    chat::{config_error::ConfigError, options::Options, seconds},
    config::{
        document::{Document, join},
        suggest::suggest,
    },
};

/// What people call the key of a provider, besides `api_key`.
const NAMES_OF_KEYS: [&str; 8] =
    ["key", "token", "secret", "password", "apitoken", "accesstoken", "authtoken", "bearertoken"];

const KEY_SOURCES: &str =
    "under [providers.NAME] name where it is: api_key_env = \"A_VARIABLE\", api_key_file or api_key_command";

/// A table of the configuration and the keys that are not read yet.
pub(crate) struct Section<'a> {
    document: &'a Document,
    path: String,
    values: Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The table at this path.
    pub(crate) fn new(document: &'a Document, path: impl Into<String>, values: Map<String, Value>) -> Self {
        Self { document, path: path.into(), values, known: Vec::new() }
    }

    /// An error about a setting of this table.
    pub(crate) fn error(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        self.document.error(Some(&join(&self.path, key)), problem)
    }

    /// An error about the setting of this dotted path, wherever it is.
    pub(crate) fn error_at(&self, path: &str, problem: impl Into<String>) -> ConfigError {
        self.document.error(Some(path), problem)
    }

    /// The dotted path of this table.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// A text that is not empty. Control characters are refused, because errors and reports repeat the text.
    pub(crate) fn text(&mut self, key: &'static str) -> Result<Option<String>, ConfigError> {
        let is_plain = |text: &&str| !text.is_empty() && !text.contains(char::is_control);
        self.read(key, "a text in quotes, without control characters", |value| {
            value.as_str().filter(is_plain).map(str::to_owned)
        })
    }

    /// A text that may be empty.
    pub(crate) fn text_or_empty(&mut self, key: &'static str) -> Result<Option<String>, ConfigError> {
        self.read(key, "a text in quotes", |value| value.as_str().map(str::to_owned))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &'static str) -> Result<Option<bool>, ConfigError> {
        self.read(key, "true or false", Value::as_bool)
    }

    /// A number of seconds above zero.
    pub(crate) fn seconds(&mut self, key: &'static str) -> Result<Option<Duration>, ConfigError> {
        self.read(key, "a number of seconds above zero", |value| {
            value.as_f64().and_then(seconds::from_f64).filter(|duration| !duration.is_zero())
        })
    }

    /// A whole number above zero.
    pub(crate) fn count(&mut self, key: &'static str) -> Result<Option<u64>, ConfigError> {
        self.read(key, "a whole number above zero", |value| value.as_u64().filter(|number| *number > 0))
    }

    /// A size in binary megabytes. As bytes it fits 64 bits.
    pub(crate) fn megabytes(&mut self, key: &'static str) -> Result<Option<u64>, ConfigError> {
        const MOST: u64 = u64::MAX >> 20;
        self.read(key, "a whole number of megabytes above zero", |value| {
            value.as_u64().filter(|number| (1..=MOST).contains(number))
        })
    }

    /// A whole number above zero that fits 32 bits.
    pub(crate) fn count_u32(&mut self, key: &'static str) -> Result<Option<u32>, ConfigError> {
        self.read(key, "a whole number from 1 to 4294967295", |value| {
            value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
        })
    }

    /// A whole number.
    pub(crate) fn integer(&mut self, key: &'static str) -> Result<Option<i64>, ConfigError> {
        self.read(key, "a whole number", Value::as_i64)
    }

    /// A number that is zero or more.
    pub(crate) fn amount(&mut self, key: &'static str) -> Result<Option<f64>, ConfigError> {
        self.read(key, "a number, zero or more", |value| value.as_f64().filter(|number| *number >= 0.0))
    }

    /// A temperature.
    pub(crate) fn temperature(&mut self) -> Result<Option<f64>, ConfigError> {
        self.read("temperature", Options::TEMPERATURES_IN_WORDS, |value| {
            value.as_f64().filter(|number| Options::TEMPERATURES.contains(number))
        })
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, key: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        self.read(key, "a list of texts, such as [\"one\", \"two\"]", |value| {
            value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        })
    }

    /// A value of a type that has a JSON of its own. `expected` says what it looks like.
    pub(crate) fn value<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        expected: &str,
    ) -> Result<Option<T>, ConfigError> {
        self.read(key, expected, |value| serde_json::from_value(value.clone()).ok())
    }

    /// All keys of a table with free names, each a text.
    pub(crate) fn all_texts(mut self) -> Result<BTreeMap<String, String>, ConfigError> {
        let values = self.take();
        let text = |(key, value): (String, Value)| match value {
            Value::String(text) => Ok((key, text)),
            other => Err(self.error(&key, format!("is {}", kind(&other))).help("a text in quotes")),
        };
        values.into_iter().map(text).collect()
    }

    /// A table, empty if it is not there.
    pub(crate) fn section(&mut self, key: &'static str) -> Result<Section<'a>, ConfigError> {
        let path = join(&self.path, key);
        let values = self.read(key, "a table", |value| value.as_object().cloned())?;
        Ok(Section::new(self.document, path, values.unwrap_or_default()))
    }

    /// A table of tables, by name.
    pub(crate) fn sections(&mut self, key: &'static str) -> Result<Vec<(String, Section<'a>)>, ConfigError> {
        let Section { document, path, values, .. } = self.section(key)?;
        let tables = values.into_iter().map(|(name, value)| {
            let path = join(&path, &name);
            if name.contains(char::is_control) {
                let error = document.error(Some(&path), "has a name with control characters");
                return Err(error.help("a name that can be shown"));
            }
            match value {
                Value::Object(values) => Ok((name, Section::new(document, path, values))),
                other => {
                    let error = document.error(Some(&path), format!("is {}", kind(&other)));
                    Err(error.help(format!("a table, such as [{path}]")))
                }
            }
        });
        tables.collect()
    }

    /// The folder of the configuration. Relative paths start there.
    pub(crate) fn directory(&self) -> &Path {
        self.document.directory()
    }

    /// Takes the keys that are not read, for a table with free names.
    pub(crate) fn take(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.values)
    }

    /// The keys that are not read.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.values
    }

    /// Refuses keys that were not read.
    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(key) if self.would_hold_a_key(key) => {
                let error = self.error(key, "would hold a key, and a key never stands in a config file");
                Err(error.help(KEY_SOURCES))
            }
            Some(key) => Err(self.error(key, "is not a setting").help(suggest(key, self.known.iter().copied()))),
        }
    }

    /// Whether somebody who gives a setting this name means to give a key by it.
    fn would_hold_a_key(&self, setting: &str) -> bool {
        let bare: String = setting.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
        let is_provider = self.path.starts_with("providers.");
        bare.ends_with("apikey") || (is_provider && NAMES_OF_KEYS.contains(&bare.as_str()))
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        convert: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        self.known.push(key);
        let Some(value) = self.values.remove(key) else { return Ok(None) };
        match convert(&value) {
            Some(converted) => Ok(Some(converted)),
            None => Err(self.error(key, format!("is {}", kind(&value))).help(expected)),
        }
    }
}

/// Describes a value for an error message.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => format!("{flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.is_empty() => "an empty text".to_owned(),
        Value::String(text) if text.chars().count() > 60 => "a long text".to_owned(),
        Value::String(text) => format!("the text {text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}
