//! Says in plain words what `serde` says of a document that does not fit.
//!
//! `serde` speaks of sequences, maps and variants. People who write a request, a script or a scenario know lists, tables and
//! texts. All messages about such files are made here.
//!
//! ```
//! use arcllm_wording::{Format, Mistake};
//!
//! let mistake = Mistake::of("invalid type: string \"x\", expected a sequence at line 1 column 5", Format::Json);
//! assert_eq!(mistake.to_string(), "is the text \"x\"\n  help: a list");
//!
//! let mistake = Mistake::of("unknown field `txt`, expected one of `text`, `status`", Format::Toml).at("reply[0].txt");
//! assert_eq!(mistake.to_string(), "`reply[0].txt` is not a key\n  help: did you mean `text`?");
//! ```

use std::fmt;

/// The format of a document, which decides what its parts are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON has objects.
    Json,
    /// TOML has tables.
    Toml,
}

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The path of the value, such as `reply[0].status`. Empty for the whole document.
    pub path: String,
    /// What is wrong with it, such as `is the number 5`.
    pub problem: String,
    /// What would be right, if that is known.
    pub help: Option<String>,
    /// A key that is not there, or that is there and unknown.
    key: Option<String>,
    is_missing: bool,
    /// Whether the problem is a sentence of its own, and not what the path is.
    is_sentence: bool,
    /// Whether the document cannot be read, so that no path says more.
    is_syntax: bool,
}

impl Mistake {
    /// What this message of `serde`, `serde_json` or `toml` means.
    pub fn of(message: &str, format: Format) -> Self {
        let message = without_place(message);
        // A field that is read from any JSON tells its name itself.
        if let Some((_, message)) = message.strip_prefix('`').and_then(|rest| rest.split_once("`: ")) {
            return Self::of(message, format);
        }
        wrong_value(message, format)
            .or_else(|| missing_key(message))
            .or_else(|| unknown_word(message, "unknown field ", "is not a key"))
            .or_else(|| unknown_word(message, "unknown variant ", "is not a value that it can have"))
            .or_else(|| twice(message))
            .or_else(|| syntax(message, format))
            .unwrap_or_else(|| Self { is_sentence: true, ..Self::new(message) })
    }

    fn new(problem: impl Into<String>) -> Self {
        let (path, problem) = (String::new(), problem.into());
        Self { path, problem, help: None, key: None, is_missing: false, is_sentence: false, is_syntax: false }
    }

    /// The same mistake in the value at this path, as `serde_path_to_error` writes it.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        if self.is_syntax {
            return self;
        }
        let own = |part: &str| !part.starts_with("$__") && part != "?";
        let path = path.split('.').filter(|part| own(part)).collect::<Vec<_>>().join(".");
        self.path = match self.key.take() {
            Some(key) if self.is_missing || path.rsplit(['.', ']']).next() != Some(&*key) => join(&path, &key),
            _ if path == "." => String::new(),
            _ => path,
        };
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.key.as_deref().unwrap_or(&self.path);
        if !path.is_empty() {
            write!(formatter, "`{path}`{}", if self.is_sentence { ": " } else { " " })?;
        }
        formatter.write_str(&self.problem)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(formatter, "\n  help: {help}"))
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() || path == "." { key.to_owned() } else { format!("{path}.{key}") }
}

/// The message without the `at line 1 column 5` that `serde_json` adds.
fn without_place(message: &str) -> &str {
    let message = message.trim_end();
    match message.rsplit_once(" at line ") {
        Some((before, place)) if place.bytes().all(|byte| byte.is_ascii_digit() || b" column".contains(&byte)) => {
            before
        }
        _ => message,
    }
}

/// `invalid type: integer `5`, expected a string`.
fn wrong_value(message: &str, format: Format) -> Option<Mistake> {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let help = Some(wanted(expected, format));
    Some(Mistake { help, ..Mistake::new(format!("is {}", found_value(found, format))) })
}

fn found_value(found: &str, format: Format) -> String {
    let bare = |rest: &str| rest.trim_matches('`').to_owned();
    for (beginning, word) in [("string ", "the text "), ("character ", "the text "), ("Option value", "a value")] {
        if let Some(rest) = found.strip_prefix(beginning) {
            return format!("{word}{rest}");
        }
    }
    for number in ["integer ", "floating point "] {
        if let Some(rest) = found.strip_prefix(number) {
            return format!("the number {}", bare(rest));
        }
    }
    if let Some(rest) = found.strip_prefix("boolean ") {
        return bare(rest);
    }
    match found {
        "null" | "unit value" => "null".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => object(format).to_owned(),
        "datetime" => "a date".to_owned(),
        other => other.to_owned(),
    }
}

fn wanted(expected: &str, format: Format) -> String {
    let words = match expected {
        "a string" | "string" | "str" => "a text in quotes",
        "a boolean" | "bool" => "true or false",
        "a sequence" => "a list",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" | "u128" => "a whole number, zero or more",
        "i8" | "i16" | "i32" | "i64" | "isize" | "i128" => "a whole number",
        "f32" | "f64" => "a number",
        "a map" | "map" => object(format),
        other if other.starts_with("struct ") || other.starts_with("adjacently tagged") => object(format),
        other => other,
    };
    words.to_owned()
}

fn object(format: Format) -> &'static str {
    match format {
        Format::Json => "an object",
        Format::Toml => "a table",
    }
}

/// `missing field `x``.
fn missing_key(message: &str) -> Option<Mistake> {
    let key = quoted(message.strip_prefix("missing field ")?)?;
    Some(Mistake { key: Some(key.to_owned()), is_missing: true, ..Mistake::new("is missing") })
}

/// `unknown field `x`, expected one of `a`, `b``.
fn unknown_word(message: &str, beginning: &str, problem: &str) -> Option<Mistake> {
    let (word, known) = message.strip_prefix(beginning)?.split_once(", ")?;
    let word = quoted(word)?;
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let nearest = known.iter().map(|known| (strsim::damerau_levenshtein(word, known), *known)).min();
    let help = match nearest.filter(|(distance, _)| *distance <= 2.max(word.len() / 3)) {
        Some((_, nearest)) => Some(format!("did you mean `{nearest}`?")),
        None if known.is_empty() => None,
        None => Some(format!("known are {}", known.join(", "))),
    };
    match beginning {
        "unknown field " => Some(Mistake { key: Some(word.to_owned()), help, ..Mistake::new(problem) }),
        // The path is that of the value.
        _ => Some(Mistake { help, ..Mistake::new(format!("is \"{word}\", which {problem}")) }),
    }
}

/// `duplicate field `x``.
fn twice(message: &str) -> Option<Mistake> {
    let key = quoted(message.strip_prefix("duplicate field ")?)?;
    Some(Mistake { key: Some(key.to_owned()), ..Mistake::new("is set twice") })
}

/// What stands in the first backticks.
fn quoted(text: &str) -> Option<&str> {
    text.split('`').nth(1)
}

/// JSON that cannot be read at all.
fn syntax(message: &str, format: Format) -> Option<Mistake> {
    let what = match message {
        "EOF while parsing a list" => "a list is not closed",
        "EOF while parsing an object" => "an object is not closed",
        "EOF while parsing a string" => "a text is not closed",
        "EOF while parsing a value" => "it ends where a value is expected",
        "expected value" => "something else than a value",
        "trailing characters" => "something follows its end",
        "trailing comma" => "a comma too much",
        "key must be a string" => "a key without quotes",
        "expected `:`"
        | "expected `,` or `]`"
        | "expected `,` or `}`"
        | "recursion limit exceeded"
        | "number out of range"
        | "invalid escape"
        | "invalid number"
        | "lone leading surrogate in hex escape"
        | "expected ident" => message,
        _ => return None,
    };
    (format == Format::Json).then(|| Mistake { is_syntax: true, ..Mistake::new(format!("is not JSON: {what}")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(message: &str, path: &str) -> String {
        Mistake::of(message, Format::Json).at(path).to_string()
    }

    #[test]
    fn values_of_a_wrong_type() {
        for (message, expected) in [
            (
                "invalid type: string \"Hi\", expected a sequence at line 1 column 17",
                "`a` is the text \"Hi\"\n  help: a list",
            ),
            (
                "invalid type: string \", expected a map\", expected u32",
                "`a` is the text \", expected a map\"\n  help: a whole number from 0 to 4294967295",
            ),
            (
                "invalid value: integer `-1`, expected u16",
                "`a` is the number -1\n  help: a whole number from 0 to 65535",
            ),
            (
                "invalid type: floating point `1.5`, expected u64",
                "`a` is the number 1.5\n  help: a whole number, zero or more",
            ),
            ("invalid type: boolean `true`, expected f64", "`a` is true\n  help: a number"),
            ("invalid type: map, expected a string", "`a` is an object\n  help: a text in quotes"),
            ("invalid type: null, expected a boolean", "`a` is null\n  help: true or false"),
            ("invalid type: sequence, expected struct Message", "`a` is a list\n  help: an object"),
            (
                "invalid type: integer `5`, expected a string or a list of blocks",
                "`a` is the number 5\n  help: a string or a list of blocks",
            ),
        ] {
            assert_eq!(json(message, "a"), expected);
        }
        assert_eq!(Mistake::of("invalid type: map, expected i64", Format::Toml).problem, "is a table");
    }

    #[test]
    fn keys() {
        assert_eq!(
            json("missing field `content` at line 1 column 28", "messages[0]"),
            "`messages[0].content` is missing"
        );
        assert_eq!(json("missing field `messages`", "."), "`messages` is missing");
        let unknown = "unknown field `max_token`, expected one of `max_tokens`, `stop`";
        assert_eq!(
            json(unknown, "options.max_token"),
            "`options.max_token` is not a key\n  help: did you mean `max_tokens`?"
        );
        assert_eq!(json(unknown, "options"), "`options.max_token` is not a key\n  help: did you mean `max_tokens`?");
        assert_eq!(json("unknown field `x`, expected `message`", "x"), "`x` is not a key\n  help: known are message");
        assert_eq!(json("unknown field `x`, there are no fields", "a"), "`a.x` is not a key");
        assert_eq!(json("duplicate field `a`", "b"), "`b.a` is set twice");
        let unknown = Mistake::of("unknown field `txt`, expected one of `text`, `a`", Format::Toml);
        assert_eq!(unknown.to_string(), "`txt` is not a key\n  help: did you mean `text`?");
        let wrapped = unknown.at("reply[0].$__serde_spanned_private_value.txt");
        assert_eq!(wrapped.path, "reply[0].txt");
    }

    #[test]
    fn words_that_are_no_value() {
        let message = "unknown variant `usr`, expected one of `system`, `user` at line 1 column 26";
        let expected =
            "`messages[0].role` is \"usr\", which is not a value that it can have\n  help: did you mean `user`?";
        assert_eq!(json(message, "messages[0].role"), expected);
    }

    #[test]
    fn documents_that_cannot_be_read() {
        assert_eq!(
            json("EOF while parsing a list at line 1 column 14", "messages"),
            "is not JSON: a list is not closed"
        );
        assert_eq!(json("trailing characters at line 1 column 46", ""), "is not JSON: something follows its end");
        assert_eq!(
            json("`data` needs its `media_type` at line 1 column 74", "a"),
            "`a`: `data` needs its `media_type`"
        );
        let nested = "`output`: unknown variant `jsn`, expected one of `text`, `json` at line 1 column 2";
        let expected = "`o` is \"jsn\", which is not a value that it can have\n  help: did you mean `json`?";
        assert_eq!(json(nested, "o"), expected);
        assert_eq!(json("", ""), "");
        assert_eq!(json("unknown field ", ""), "unknown field");
    }
}
