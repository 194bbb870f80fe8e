//! Parses TOML into JSON values, and keeps the line of every key for errors.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use crate::chat::{
    config_error::ConfigError,
    plain::{self, WORD},
};

/// A parsed file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Document {
    file: Option<PathBuf>,
    lines: HashMap<String, Mention>,
}

/// Where a file has a key.
#[derive(Debug, Clone, Copy)]
struct Mention {
    line: usize,
    /// Whether it is a table that the file only mentions on the way to another.
    is_on_the_way: bool,
}

impl Document {
    /// Parses TOML. Dates, NaN and infinities are errors, because JSON cannot express them.
    pub(crate) fn parse(text: &str, file: Option<&Path>) -> Result<(Self, Map<String, Value>), ConfigError> {
        let mut document = Self { file: file.map(Path::to_owned), lines: HashMap::new() };
        let syntax = |error: toml::de::Error| {
            if let Some(line) = conflict(text) {
                let error = document.error(None, CONFLICT).help("resolve the conflict, then run this again");
                return ConfigError { line: Some(line), ..error };
            }
            let line = error.span().map(|span| line_of(text, span.start));
            let named = error.span().and_then(|span| text.get(span)).filter(|named| !named.is_empty());
            let error = match (error.message(), named) {
                ("duplicate key", Some(key)) => {
                    let problem = format!("sets `{}` a second time", plain::line(key, WORD));
                    document.error(None, problem).help("keep one of the two")
                }
                (message, _) => document.error(None, format!("is not TOML: {message}")),
            };
            ConfigError { line, ..error }
        };
        let table: toml::Table = text.parse().map_err(syntax)?;
        let spans = DeTable::parse(text).map_err(syntax)?;
        document.note_lines(text, "", spans.get_ref());
        let mut values = Map::new();
        for (key, value) in table {
            let value = document.json(&key, value)?;
            values.insert(key, value);
        }
        Ok((document, values))
    }

    /// An error about the setting `key`, with its file and line.
    pub(crate) fn error(&self, key: Option<&str>, problem: impl Into<String>) -> ConfigError {
        let line = key.and_then(|key| self.line(key));
        ConfigError { file: self.file.clone(), line, key: key.map(str::to_owned), ..ConfigError::new(problem) }
    }

    /// Whether the file sets this key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }

    /// The folder of the file; the working directory if there is no file.
    pub(crate) fn directory(&self) -> &Path {
        self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""))
    }

    /// The line of the key. If the key is missing, it is the line of the table that it is missing in. For a missing key, a table
    /// that the file only mentions on the way to another, as `providers` in `[providers.a]`, has no line.
    fn line(&self, key: &str) -> Option<usize> {
        if let Some(mention) = self.lines.get(key) {
            return Some(mention.line);
        }
        let mut table = key;
        loop {
            let (around, _) = table.rsplit_once(['.', '['])?;
            // `[providers]` says nothing of a provider that the file does not have.
            if !around.contains(['.', '[']) && table != key {
                return None;
            }
            match self.lines.get(around) {
                Some(mention) if !mention.is_on_the_way => return Some(mention.line),
                _ => table = around,
            }
        }
    }

    fn note_lines(&mut self, text: &str, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = join(path, key.get_ref());
            let is_on_the_way = text.get(key.span().end..).is_some_and(|rest| rest.trim_start().starts_with('.'));
            self.lines.insert(path.clone(), Mention { line: line_of(text, key.span().start), is_on_the_way });
            self.note_lines_within(text, &path, value.get_ref());
        }
    }

    fn note_lines_within(&mut self, text: &str, path: &str, value: &DeValue<'_>) {
        match value {
            DeValue::Table(table) => self.note_lines(text, path, table),
            DeValue::Array(array) => {
                for (at, item) in array.iter().enumerate() {
                    let path = format!("{path}[{at}]");
                    let line = line_of(text, item.span().start);
                    self.lines.insert(path.clone(), Mention { line, is_on_the_way: false });
                    self.note_lines_within(text, &path, item.get_ref());
                }
            }
            _ => {}
        }
    }

    fn json(&self, path: &str, value: toml::Value) -> Result<Value, ConfigError> {
        Ok(match value {
            toml::Value::String(text) => Value::String(text),
            toml::Value::Integer(number) => Value::from(number),
            toml::Value::Boolean(flag) => Value::Bool(flag),
            toml::Value::Float(number) => {
                let finite = serde_json::Number::from_f64(number).map(Value::Number);
                finite.ok_or_else(|| self.error(Some(path), format!("is {number}")).help("a finite number"))?
            }
            toml::Value::Datetime(date) => {
                let error = self.error(Some(path), format!("is the date {date}"));
                return Err(error.help("a string in quotes, or a number"));
            }
            toml::Value::Array(items) => {
                let items = items.into_iter().enumerate();
                let items = items.map(|(at, item)| self.json(&format!("{path}[{at}]"), item));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            toml::Value::Table(table) => {
                let items = table.into_iter();
                let items = items.map(|(key, item)| Ok((key.clone(), self.json(&join(path, &key), item)?)));
                Value::Object(items.collect::<Result<_, ConfigError>>()?)
            }
        })
    }
}

/// What is wrong with a text that has such marks.
pub(crate) const CONFLICT: &str = "has the marks of a merge conflict";

/// The first line with a mark of a merge conflict, as version control leaves them.
pub(crate) fn conflict(text: &str) -> Option<usize> {
    let is_mark = |line: &str| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ");
    text.lines().position(is_mark).map(|at| at + 1)
}

/// The dotted path of a key inside a table.
pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The line of a place in a text, counted from one.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
