//! `[modules.cache]`.

use std::{borrow::Cow, collections::BTreeSet};

use arcllm_module::{Amount, Config, ConfigError, Seconds};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long an answer is kept, in seconds: a number above zero.
    pub ttl_seconds: Seconds,
    /// The size of the largest answer that is kept, in units of 1024 bytes: a whole number from 1 to 1024.
    pub max_kb: u32,
    /// The labels that calls must have in common to share an answer: the name of a label, or a list of names. A call that lacks one of
    /// them is not cached.
    pub scope: Labels,
    /// Whether requests are cached whose answers differ each time, too: those without temperature 0 and without a seed: true or
    /// false.
    pub cache_all: bool,
    /// How long a call waits for the answer of an equal one that is under way, in seconds; with 0 it never waits: a number, zero or
    /// more.
    #[schemars(extend("format" = "arcllm-wait-seconds"))]
    pub max_wait_seconds: Amount,
    /// What becomes of a call when the store fails: "allow" asks the model, "refuse" fails with status 503.
    pub on_store_failure: OnStoreFailure,
}

/// What becomes of a call when the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStoreFailure {
    /// The model is asked.
    Allow,
    /// The call fails.
    Refuse,
}

/// Names of labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Labels(pub Vec<String>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let names = match &value {
            Value::Array(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
            Value::String(name) => Some(vec![name.clone()]),
            _ => None,
        };
        let wrong = || D::Error::custom(format_args!("is {value}, expected the name of a label, or a list of names"));
        names.map(Labels).ok_or_else(wrong)
    }
}

impl JsonSchema for Labels {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Labels".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
    }
}

/// The largest value that a store takes, in units of 1024 bytes.
const MOST_KB: u32 = 1024;

impl Default for Settings {
    fn default() -> Self {
        Self {
            ttl_seconds: Seconds::new(3600.0),
            max_kb: 256,
            scope: Labels::default(),
            cache_all: false,
            max_wait_seconds: Amount::new(30.0),
            on_store_failure: OnStoreFailure::Allow,
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.max_kb == 0 || self.max_kb > MOST_KB {
            let message = format!("is {}", self.max_kb);
            errors.push(ConfigError::new("max_kb", message, "a whole number from 1 to 1024"));
        }
        let mut seen = BTreeSet::new();
        for name in &self.scope.0 {
            if name.is_empty() {
                errors.push(ConfigError::new("scope", "has an empty name", "names of labels, such as \"team\""));
            } else if !seen.insert(name) {
                errors.push(ConfigError::new("scope", format!("has `{name}` twice"), "each label once"));
            }
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_right() {
        assert!(Settings::default().check().is_empty());
    }

    #[test]
    fn a_scope_is_one_label_or_several() {
        let scope = |json: &str| serde_json::from_str::<Settings>(json).map(|settings| settings.scope.0);
        assert_eq!(scope(r#"{"scope": "team"}"#).unwrap(), ["team"]);
        assert_eq!(scope(r#"{"scope": ["team", "user"]}"#).unwrap(), ["team", "user"]);
        let error = scope(r#"{"scope": 5}"#).unwrap_err().to_string();
        assert!(error.starts_with("is 5, expected the name of a label, or a list of names"), "{error}");
        assert!(scope(r#"{"scope": [5]}"#).is_err());
    }

    #[test]
    fn each_setting_that_is_wrong_is_named() {
        let scope = Labels(["", "team", "team"].map(str::to_owned).to_vec());
        let keys = |max_kb| Settings { max_kb, scope: scope.clone(), ..Settings::default() }.check();
        for max_kb in [0, 1025] {
            let keys: Vec<_> = keys(max_kb).into_iter().map(|error| error.key).collect();
            assert_eq!(keys, ["max_kb", "scope", "scope"]);
        }
    }
}
