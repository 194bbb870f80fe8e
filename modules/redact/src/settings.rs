//! `[modules.redact]`.

use std::collections::BTreeMap;

use arcllm_module::{Config, ConfigError};
use regex_lite::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What is looked for: any of email, iban, card, ssn, ip, phone.
    pub kinds: Vec<Kind>,
    /// Regular expressions for what else is personal, by a name for what they find.
    pub patterns: BTreeMap<String, String>,
    /// Whether requests are rewritten.
    pub requests: bool,
    /// Whether responses are rewritten.
    pub responses: bool,
    /// Whether what stood in the request is put back into the response, where the model repeats its placeholder.
    pub restore: bool,
}

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// The number of a bank account, with a sum that is right.
    Iban,
    /// The number of a payment card, with a sum that is right.
    Card,
    /// A social security number of the United States.
    Ssn,
    /// An IPv4 address.
    Ip,
    /// A telephone number.
    Phone,
}

impl Kind {
    /// All of them. Of two that find something in the same place, the first is right.
    pub const ALL: [Kind; 6] = [Kind::Email, Kind::Iban, Kind::Card, Kind::Ssn, Kind::Ip, Kind::Phone];

    /// What its placeholders are called.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Email => "EMAIL",
            Kind::Iban => "IBAN",
            Kind::Card => "CARD",
            Kind::Ssn => "SSN",
            Kind::Ip => "IP",
            Kind::Phone => "PHONE",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { kinds: Kind::ALL.to_vec(), patterns: BTreeMap::new(), requests: true, responses: true, restore: false }
    }
}

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let error = |(name, pattern): (&String, &String)| {
            let key = format!("patterns.{name}");
            if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter)) {
                let message = "is no name that a placeholder can have";
                return Some(ConfigError::new(key, message, "letters, digits, dashes and underscores"));
            }
            match Regex::new(pattern) {
                Ok(found) if found.is_match("") => Some(ConfigError::new(
                    key,
                    "matches where nothing is",
                    "a regular expression that needs a character",
                )),
                Ok(_) => None,
                Err(error) => Some(ConfigError::new(key, error.to_string(), "a regular expression")),
            }
        };
        self.patterns.iter().filter_map(error).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_will_do() {
        assert!(Settings::default().check().is_empty());
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        let patterns = [("a", "("), ("b", "x*"), ("c c", "x"), ("d", "x+")];
        let patterns = patterns.map(|(name, pattern)| (name.to_owned(), pattern.to_owned())).into();
        let keys: Vec<_> =
            Settings { patterns, ..Settings::default() }.check().into_iter().map(|error| error.key).collect();
        assert_eq!(keys, ["patterns.a", "patterns.b", "patterns.c c"]);
    }
}
