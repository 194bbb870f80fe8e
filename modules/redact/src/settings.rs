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
    /// What to look for: a list of any of email, iban, card, ssn, ip, phone.
    pub kinds: Vec<Kind>,
    /// What else to look for: a table of names and regular expressions.
    pub patterns: BTreeMap<String, String>,
    /// Whether requests are rewritten: true or false.
    pub requests: bool,
    /// Whether responses are rewritten: true or false.
    pub responses: bool,
    /// Whether values of the request are put back where the response repeats their placeholders: true or false.
    pub restore: bool,
}

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An e-mail address.
    Email,
    /// A bank account number with a right checksum.
    Iban,
    /// A payment card number with a right checksum.
    Card,
    /// A social security number of the United States.
    Ssn,
    /// An IPv4 address.
    Ip,
    /// A telephone number.
    Phone,
}

impl Kind {
    /// All kinds. If two find something in the same place, the first wins.
    pub const ALL: [Kind; 6] = [Kind::Email, Kind::Iban, Kind::Card, Kind::Ssn, Kind::Ip, Kind::Phone];

    /// Returns the name of its placeholders.
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
                let message = "has a name that no placeholder can have";
                return Some(ConfigError::new(key, message, "a name of letters, digits, dashes and underscores"));
            }
            match Regex::new(pattern) {
                Ok(found) if found.is_match("") => Some(ConfigError::new(
                    key,
                    "matches the empty text",
                    "a regular expression that matches at least one character",
                )),
                Ok(_) => None,
                Err(error) => Some(ConfigError::new(
                    key,
                    format!("is no regular expression: {error}"),
                    "a regular expression such as \"T-[0-9]{6}\"",
                )),
            }
        };
        self.patterns.iter().filter_map(error).collect()
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
    fn a_wrong_pattern_is_named() {
        let patterns = [("a", "("), ("b", "x*"), ("c c", "x"), ("d", "x+")];
        let patterns = patterns.map(|(name, pattern)| (name.to_owned(), pattern.to_owned())).into();
        let keys: Vec<_> =
            Settings { patterns, ..Settings::default() }.check().into_iter().map(|error| error.key).collect();
        assert_eq!(keys, ["patterns.a", "patterns.b", "patterns.c c"]);
    }
}
