//! Where a value stands in a request.

use std::fmt;

use serde_json::Value;

use crate::client::problem::Problem;

/// Where a value stands in a request. It becomes text only in an error.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    Body,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl<'a> Place<'a> {
    /// The field of this name in the object at this place.
    pub(crate) fn field(&'a self, name: &'a str) -> Self {
        Place::Field(self, name)
    }

    /// The item with this number in the list at this place.
    pub(crate) fn item(&'a self, at: usize) -> Self {
        Place::Item(self, at)
    }

    /// The error for a value that is something else than it must be.
    pub(crate) fn expected(&self, what: &str, found: &Value) -> Problem {
        let found = match found {
            // It is no such number.
            Value::Number(number) if what.contains("number") => &number.to_string(),
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.problem(format!("must be {what}, not {found}"))
    }

    /// The error for a value that is missing.
    pub(crate) fn missing(&self) -> Problem {
        self.problem("is missing")
    }

    /// The error for a list of messages without one.
    pub(crate) fn empty(&self) -> Problem {
        self.problem("is empty: a conversation has at least one message")
    }

    /// The error for what is wrong at this place.
    pub(crate) fn problem(&self, what: impl Into<String>) -> Problem {
        Problem::bad_field(self.to_string(), what)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Body => formatter.write_str("body"),
            Place::Field(Place::Body, name) => formatter.write_str(name),
            Place::Field(of, name) => write!(formatter, "{of}.{name}"),
            Place::Item(of, at) => write!(formatter, "{of}[{at}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_does_not_fit_is_named() {
        let problem = Place::Body.field("n").expected("a whole number from 0 on", &(-1).into());
        assert_eq!(problem.message, "n: must be a whole number from 0 on, not -1");
    }

    #[test]
    fn places_are_written_as_paths() {
        let messages = Place::Body.field("messages");
        let message = messages.item(2);
        let content = message.field("content");
        let block = content.item(0);
        assert_eq!(block.field("text").to_string(), "messages[2].content[0].text");
        assert_eq!(Place::Body.to_string(), "body");
        let problem = block.field("text").expected("a string", &Value::from(1));
        assert_eq!(problem.message, "messages[2].content[0].text: must be a string, not a number");
        assert_eq!(problem.param.as_deref(), Some("messages[2].content[0].text"));
    }
}
