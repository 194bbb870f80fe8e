//! A module as the config has it: `[modules.NAME]`.

use serde_json::{Map, Value};

use crate::config::{error::ConfigError, sandbox::Sandbox, section::Section};

/// `[modules.NAME]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModuleConfig {
    /// Whether it stands in the chain unless a call says otherwise.
    pub enabled: bool,
    /// What the host lets it do.
    pub sandbox: Sandbox,
    /// All other keys: the module's own settings.
    pub settings: Map<String, Value>,
}

impl ModuleConfig {
    pub(crate) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            enabled: section.flag("enabled")?.unwrap_or(false),
            sandbox: Sandbox::read(section.section("sandbox")?)?,
            settings: section.rest(),
        })
    }
}
