//! A module as the configuration has it: `[modules.NAME]`.

use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::{
    chat::config_error::ConfigError,
    config::{sandbox::Sandbox, section::Section},
};

/// `[modules.NAME]`.
///
/// ```
/// use arcllm::{ModuleConfig, Sandbox};
/// use serde_json::json;
///
/// let retry = ModuleConfig::on().setting("max_retries", 5).setting("max_wait_seconds", 30.0);
/// let mine = ModuleConfig::on().sandbox(Sandbox::new().allow(["state"]).memory_mb(16));
/// # let _ = (retry, mine, json!({}));
/// ```
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ModuleConfig {
    /// Whether it stands in the chain, unless a load says otherwise.
    pub enabled: bool,
    /// What the host lets it do.
    pub sandbox: Sandbox,
    /// All other keys: the module's own settings.
    pub settings: Map<String, Value>,
    /// The component that the program gave, in place of a file or a built-in module.
    pub(crate) wasm: Option<Bytes>,
}

impl ModuleConfig {
    /// A module that is on, with its default settings and the default sandbox.
    pub fn on() -> Self {
        Self { enabled: true, ..Self::default() }
    }

    /// A module that is off, unless a load switches it on.
    pub fn off() -> Self {
        Self::default()
    }

    /// Sets one of the module's own settings.
    #[must_use]
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.settings.insert(key.into(), value.into());
        self
    }

    /// Sets what the host lets it do.
    #[must_use]
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = sandbox;
        self
    }

    /// Takes this component instead of a file or the built-in module of this name. It is trusted as little as a file: what
    /// it may do stands in its [`Sandbox`].
    #[must_use]
    pub fn wasm_bytes(mut self, component: impl Into<Bytes>) -> Self {
        self.wasm = Some(component.into());
        self
    }

    pub(crate) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            enabled: section.flag("enabled")?.unwrap_or(false),
            sandbox: Sandbox::read(section.section("sandbox")?)?,
            settings: section.rest(),
            wasm: None,
        })
    }
}

impl fmt::Debug for ModuleConfig {
    /// Shows the length of a component, not its bytes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { enabled, sandbox, settings, wasm } = self;
        let wasm = wasm.as_ref().map(Bytes::len);
        let mut shown = formatter.debug_struct("ModuleConfig");
        shown.field("enabled", enabled).field("sandbox", sandbox).field("settings", settings);
        shown.field("wasm_bytes", &wasm).finish()
    }
}
