//! A module's settings: one struct that `serde` reads and that describes itself by its JSON Schema.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use crate::bindings::exports::arcllm::llm::module::ConfigError;

/// The settings of a module.
///
/// `#[serde(default, deny_unknown_fields)]` on the struct makes every key optional and a mistyped one an error.
pub trait Config: DeserializeOwned + JsonSchema {
    /// What is wrong with settings whose types are right: a number out of its range, two that do not go together.
    fn check(&self) -> Vec<ConfigError> {
        Vec::new()
    }
}

/// The settings of a module that has none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

impl Config for NoSettings {}

impl ConfigError {
    /// The setting `key` will not do: what is wrong, and what would be right.
    pub fn new(key: impl Into<String>, message: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), expected: expected.into() }
    }
}

/// The name of a provider. The host checks, before any call, that its configuration has a provider of this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderName(pub String);

impl JsonSchema for ProviderName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ProviderName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "arcllm-provider"})
    }
}

/// The JSON Schema of the settings `C`.
pub(crate) fn schema<C: Config>() -> Schema {
    schemars::schema_for!(C)
}

/// Reads and checks settings.
pub(crate) fn read<C: Config>(json: &str) -> Result<C, Vec<ConfigError>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let config: C = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let key = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        let expected = expected(schema::<C>().as_value(), &key);
        vec![ConfigError::new(key, without_position(&error.inner().to_string()), expected)]
    })?;
    match config.check() {
        errors if errors.is_empty() => Ok(config),
        errors => Err(errors),
    }
}

/// What the schema says about a top-level key: the first line of its documentation.
fn expected(schema: &Value, key: &str) -> String {
    let name = key.split(['.', '[']).next().unwrap_or_default();
    let description = schema.get("properties").and_then(|all| all.get(name)?.get("description")?.as_str());
    description.and_then(|text| text.lines().next()).unwrap_or_default().to_owned()
}

/// `serde_json` ends its messages with a position, which says nothing to somebody who wrote TOML.
fn without_position(message: &str) -> &str {
    message.rfind(" at line ").and_then(|at| message.get(..at)).unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings to read.
    #[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        /// How many; above zero.
        count: u32,
        chain: Vec<ProviderName>,
    }

    impl Config for Settings {
        fn check(&self) -> Vec<ConfigError> {
            if self.count == 0 { vec![ConfigError::new("count", "is zero", "above zero")] } else { Vec::new() }
        }
    }

    fn only_error(json: &str) -> (String, String, String) {
        let mut errors = read::<Settings>(json).expect_err("settings that will not do");
        let error = errors.remove(0);
        assert!(errors.is_empty());
        (error.key, error.message, error.expected)
    }

    #[test]
    fn reads_what_is_right() {
        let settings = read::<Settings>(r#"{"count": 2, "chain": ["a"]}"#).expect("right settings");
        assert_eq!(settings, Settings { count: 2, chain: vec![ProviderName("a".into())] });
    }

    #[test]
    fn names_the_key_of_what_is_wrong() {
        let (key, message, expected) = only_error(r#"{"count": "2"}"#);
        assert_eq!(key, "count");
        assert_eq!(message, "invalid type: string \"2\", expected u32");
        assert_eq!(expected, "How many; above zero.");
        assert_eq!(only_error(r#"{"count": 1, "chain": ["a", 2]}"#).0, "chain[1]");
        assert_eq!(only_error(r#"{"count": 1, "chian": []}"#).0, "chian");
        assert_eq!(only_error(r#"{"count": 0}"#).0, "count");
        assert_eq!(only_error("3").0, "");
    }

    #[test]
    fn the_schema_marks_provider_names() {
        let schema = schema::<Settings>();
        assert_eq!(schema.as_value()["properties"]["chain"]["items"]["format"], "arcllm-provider");
        assert_eq!(schema.as_value()["additionalProperties"], false);
    }
}
