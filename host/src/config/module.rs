//! A module as the config has it: `[modules.NAME]` and `[modules.NAME.sandbox]`.

use serde_json::{Map, Value};

use super::{error::ConfigError, section::Section};

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
    pub(super) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            enabled: section.flag("enabled")?.unwrap_or(false),
            sandbox: Sandbox::read(section.section("sandbox")?)?,
            settings: section.rest(),
        })
    }
}

/// `[modules.NAME.sandbox]`: what the host lets a module do, and what it may use.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sandbox {
    /// The component's file, relative to `host.modules_dir`; else NAME.wasm there, else the built-in NAME.
    pub wasm: Option<String>,
    /// The SHA-256 that the component must have, in hexadecimal.
    pub sha256: Option<String>,
    /// What it may do beyond waiting, drawing random numbers and logging: `models`.
    pub allow: Vec<String>,
    /// Linear memory, in binary megabytes, for each call that an instance may hold.
    pub memory_mb: u64,
    /// How many calls may share an instance; absent is 1000 for a built-in and 1 for any other.
    pub max_concurrent: Option<u32>,
    /// A new instance for every call.
    pub fresh: bool,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { wasm: None, sha256: None, allow: Vec::new(), memory_mb: 64, max_concurrent: None, fresh: false }
    }
}

impl Sandbox {
    fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let sandbox = Self {
            wasm: section.text("wasm")?,
            sha256: section.text("sha256")?,
            allow: section.texts("allow")?.unwrap_or_default(),
            memory_mb: section.count("memory_mb")?.unwrap_or(64),
            max_concurrent: section.count_u32("max_concurrent")?,
            fresh: section.flag("fresh")?.unwrap_or(false),
        };
        if let Some(digest) = &sandbox.sha256
            && !(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            return Err(section
                .error("sha256", "is no SHA-256")
                .help("64 hexadecimal digits, as `arcllm modules` prints them"));
        }
        if let Some(unknown) = sandbox.allow.iter().find(|grant| *grant != "models") {
            let error = section.error("allow", format!("holds {unknown:?}, which is no grant"));
            return Err(error.help("\"models\" is what can be granted"));
        }
        section.finish()?;
        Ok(sandbox)
    }
}
