//! The defaults of requests: `[defaults]`.

use crate::{chat::config_error::ConfigError, config::section::Section};

/// `[defaults]`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Defaults {
    /// What the command asks unless it is told what: a provider, a model of a provider (`openai/gpt-4.1`), or the name of a
    /// `[models.NAME]`.
    pub provider: Option<String>,
    /// The most tokens of an answer, for providers that say nothing else.
    pub max_tokens: Option<u32>,
    /// The temperature, for providers that say nothing else.
    pub temperature: Option<f64>,
}

impl Defaults {
    pub(crate) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let defaults = Self {
            provider: section.text("provider")?,
            max_tokens: section.count_u32("max_tokens")?,
            temperature: section.temperature()?,
        };
        section.finish()?;
        Ok(defaults)
    }
}
