//! Reads a module's settings, and says what is wrong with them in plain words.

use serde_json::Value;

use crate::settings::{Config, ConfigError, schema};

/// Reads and checks settings.
pub(crate) fn read<C: Config>(json: &str) -> Result<C, Vec<ConfigError>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let config: C = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let key = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        vec![refusal::<C>(key, without_position(&error.inner().to_string()))]
    })?;
    match config.check() {
        errors if errors.is_empty() => Ok(config),
        errors => Err(errors),
    }
}

/// Turns what `serde` says about a key into the words that the host has for its own settings.
fn refusal<C: Config>(key: String, text: &str) -> ConfigError {
    let (problem, expected) = text.rsplit_once(", expected ").unwrap_or((text, ""));
    let invalid = problem.strip_prefix("invalid type: ").or_else(|| problem.strip_prefix("invalid value: "));
    if let Some(value) = invalid {
        let expected = documentation(schema::<C>().as_value(), &key).unwrap_or_else(|| expected.to_owned());
        return ConfigError::new(key, format!("is {}", in_words(value)), expected);
    }
    if let Some(word) = problem.strip_prefix("unknown variant ") {
        return ConfigError::new(key, format!("is {word}"), meant(word, expected));
    }
    if let Some(word) = problem.strip_prefix("unknown field ") {
        return ConfigError::new(key, "is not a setting", meant(word, expected));
    }
    if problem.starts_with("is ") {
        return ConfigError::new(key, problem, expected);
    }
    let expected = documentation(schema::<C>().as_value(), &key).unwrap_or_default();
    ConfigError::new(key, text, expected)
}

/// Returns the first line of the documentation that a key has in the schema, or else the nearest table or list around it.
fn documentation(schema: &Value, key: &str) -> Option<String> {
    let (mut place, mut found) = (schema, None);
    for part in key.split(['.', '[']) {
        place = match part.ends_with(']') {
            true => place.get("items").unwrap_or(&Value::Null),
            false => place.get("properties").and_then(|properties| properties.get(part)).unwrap_or(&Value::Null),
        };
        found = place.get("description").and_then(Value::as_str).or(found);
    }
    found?.lines().next().map(str::to_owned)
}

/// Returns what would be right instead of a word: the nearest of the words that `serde` expects, or all of them.
fn meant(word: &str, expected: &str) -> String {
    let word = word.trim_matches('`');
    let nearest = expected.split('`').skip(1).step_by(2).map(|known| (distance(word, known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= 2.max(word.len() / 3) => format!("did you mean `{known}`?"),
        _ => expected.to_owned(),
    }
}

/// Counts the letters to add, remove or replace to make one word of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (at, letter) in one.chars().enumerate() {
        let (mut next, mut last) = (vec![at + 1], at + 1);
        for (known, pair) in other.chars().zip(row.windows(2)) {
            let [replaced, removed] = pair else { continue };
            last = (replaced + usize::from(letter != known)).min(removed + 1).min(last + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Says in words what `serde` calls, for example, ``integer `5` `` or `sequence`.
fn in_words(value: &str) -> String {
    let quoted = || value.split('`').nth(1).unwrap_or(value).to_owned();
    match value.split(' ').next() {
        Some("string") => format!("the text{}", value.trim_start_matches("string")),
        Some("integer" | "floating" | "boolean") => quoted(),
        Some("sequence") => "a list".to_owned(),
        Some("map") => "a table".to_owned(),
        _ => value.to_owned(),
    }
}

/// Cuts off the position in the JSON, which means nothing to somebody who wrote TOML.
fn without_position(message: &str) -> &str {
    message.rfind(" at line ").and_then(|at| message.get(..at)).unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;
    use crate::settings::{
        names::ProviderName,
        number::{Count, HttpStatus},
    };

    /// Settings to read.
    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        /// How many; above zero.
        count: Count,
        chain: Vec<ProviderName>,
        statuses: Vec<HttpStatus>,
        word: Word,
        inside: Vec<Inside>,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[schemars(inline)]
    struct Inside {
        /// How far; above zero.
        level: Count,
    }

    #[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        #[default]
        One,
        Two,
    }

    impl Default for Settings {
        fn default() -> Self {
            let (chain, statuses, inside) = (Vec::new(), Vec::new(), Vec::new());
            Self { count: Count::new(1), chain, statuses, word: Word::One, inside }
        }
    }

    impl Config for Settings {
        fn check(&self) -> Vec<ConfigError> {
            if self.count.get() == 13 {
                vec![ConfigError::new("count", "is 13", "a better number")]
            } else {
                Vec::new()
            }
        }
    }

    fn only_error(json: &str) -> [String; 3] {
        let errors = read::<Settings>(json).expect_err("settings that are wrong");
        let [ConfigError { key, message, expected }] = <[_; 1]>::try_from(errors).expect("one error");
        [key, message, expected]
    }

    #[test]
    fn right_settings_are_read() {
        let settings = read::<Settings>(r#"{"count": 2, "chain": ["a"], "word": "two"}"#).expect("right settings");
        let chain = vec![ProviderName("a".into())];
        assert_eq!(settings, Settings { count: Count::new(2), chain, word: Word::Two, ..Settings::default() });
    }

    #[test]
    fn an_error_says_which_key_what_is_wrong_and_what_would_be_right() {
        for (json, expected) in [
            (r#"{"count": "2"}"#, ["count", "is the text \"2\"", "How many; above zero."]),
            (r#"{"count": true}"#, ["count", "is true", "How many; above zero."]),
            (r#"{"count": [2]}"#, ["count", "is a list", "How many; above zero."]),
            (r#"{"count": {}}"#, ["count", "is a table", "How many; above zero."]),
            (r#"{"count": 0}"#, ["count", "is 0", "a whole number above zero"]),
            (r#"{"count": 13}"#, ["count", "is 13", "a better number"]),
            (r#"{"statuses": [200, 42]}"#, ["statuses[1]", "is 42", "an HTTP status, from 100 to 599"]),
            (r#"{"chain": ["a", 2]}"#, ["chain[1]", "is 2", "a string"]),
            (r#"{"word": "three"}"#, ["word", "is `three`", "`one` or `two`"]),
            (r#"{"word": "tow"}"#, ["word", "is `tow`", "did you mean `two`?"]),
            (r#"{"inside": [{"level": "high"}]}"#, ["inside[0].level", "is the text \"high\"", "How far; above zero."]),
            (r#"{"inside": [{"levl": 1}]}"#, ["inside[0].levl", "is not a setting", "did you mean `level`?"]),
            (r#"{"chian": []}"#, ["chian", "is not a setting", "did you mean `chain`?"]),
            (r#"{"x": []}"#, ["x", "is not a setting", "one of `count`, `chain`, `statuses`, `word`, `inside`"]),
            ("3", ["", "is 3", "struct Settings"]),
        ] {
            assert_eq!(only_error(json), expected, "{json}");
        }
    }

    #[test]
    fn the_schema_tells_ranges_names_of_providers_and_defaults() {
        let schema = schema::<Settings>();
        let properties = &schema.as_value()["properties"];
        assert_eq!(properties["chain"]["items"]["format"], "arcllm-provider");
        assert_eq!(properties["count"]["minimum"], 1);
        assert_eq!(properties["count"]["default"], 1);
        assert_eq!(schema.as_value()["additionalProperties"], false);
    }
}
