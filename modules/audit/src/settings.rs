//! `[modules.audit]`.

use arcllm_module::{Config, ConfigError, Count};
use schemars::JsonSchema;
use serde::Deserialize;

/// The settings of the module.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What becomes of a call whose record cannot be written: "refuse" or "allow".
    pub on_journal_failure: OnJournalFailure,
    /// Whether a record also says that a call begins, before anything is sent: true or false.
    pub begin_record: bool,
    /// Whether records have the conversation as it was asked and the messages of errors: true or false.
    pub content: bool,
    /// The longest conversation in a record, in kilobytes, from 1 to 512. Of a longer one the oldest messages are left out.
    pub content_kb: Count,
}

/// What becomes of a call whose record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnJournalFailure {
    /// It fails.
    Refuse,
    /// It goes on. The log says so.
    Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            on_journal_failure: OnJournalFailure::Refuse,
            begin_record: true,
            content: false,
            content_kb: Count::new(512),
        }
    }
}

/// The most kilobytes of content, so that a record with all else fits what a journal takes.
const MOST_KB: u32 = 512;

impl Config for Settings {
    fn check(&self) -> Vec<ConfigError> {
        let most =
            || ConfigError::new("content_kb", format!("is {}", self.content_kb.get()), format!("at most {MOST_KB}"));
        (self.content_kb.get() > MOST_KB).then(most).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_a_most() {
        assert!(Settings::default().check().is_empty());
        let [error] = Settings { content_kb: Count::new(513), ..Settings::default() }.check().try_into().unwrap();
        assert_eq!(
            (error.key.as_str(), error.message.as_str(), error.expected.as_str()),
            ("content_kb", "is 513", "at most 512")
        );
    }
}
