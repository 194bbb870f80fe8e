//! What one load wants otherwise than the config has it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::config::{error::ConfigError, module::ModuleConfig, section::kind};

/// What one load wants otherwise than the config has it.
///
/// ```
/// use arcllm::Overrides;
/// use serde_json::json;
///
/// let overrides = Overrides::new()
///     .module("retry", json!({"max_retries": 5}))
///     .module("fallback", false)
///     .model("claude-haiku-4-5");
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// The model to ask for instead of the provider's default.
    pub model: Option<String>,
    /// What each module is to do: `false` is off, `true` is on with the config's settings, a table is on with the
    /// table merged over them, or off if it has `enabled = false`. A module that is not named does as the config says.
    pub modules: BTreeMap<String, Value>,
}

impl Overrides {
    /// Nothing otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for this model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Has this module off (`false`), on (`true`), or on with these settings (a JSON object).
    #[must_use]
    pub fn module(mut self, name: impl Into<String>, switch: impl Into<Value>) -> Self {
        self.modules.insert(name.into(), switch.into());
        self
    }
}

/// Whether a module stands in a chain, and with which settings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Switch {
    /// It does not.
    Off,
    /// It does.
    On(Map<String, Value>),
}

impl Switch {
    /// What the config and the override of one load come to.
    pub(crate) fn of(
        name: &str,
        configured: Option<&ModuleConfig>,
        asked: Option<&Value>,
    ) -> Result<Self, ConfigError> {
        let (enabled, settings) = match configured {
            Some(module) => (module.enabled, module.settings.clone()),
            None => (false, Map::new()),
        };
        let refuse = |key: &str, value: &Value, help: &str| {
            let error = ConfigError::new(format!("is {} in the overrides of this load", kind(value)));
            Err(error.key(dotted(name, key)).help(help))
        };
        let mut table = match asked {
            None if enabled => return Ok(Switch::On(settings)),
            Some(Value::Bool(true)) => return Ok(Switch::On(settings)),
            None | Some(Value::Bool(false)) => return Ok(Switch::Off),
            Some(Value::Object(table)) => table.clone(),
            Some(other) => return refuse("", other, "true (on), false (off), or a table of settings (on)"),
        };
        if let Some(sandbox) = table.get("sandbox") {
            return refuse("sandbox", sandbox, "the sandbox is set in the config file alone");
        }
        match table.remove("enabled") {
            None | Some(Value::Bool(true)) => Ok(Switch::On(merge(settings, table))),
            Some(Value::Bool(false)) => Ok(Switch::Off),
            Some(other) => refuse("enabled", &other, "true or false"),
        }
    }
}

fn dotted(name: &str, key: &str) -> String {
    if key.is_empty() { format!("modules.{name}") } else { format!("modules.{name}.{key}") }
}

/// Tables are merged key by key, all else is replaced.
pub(crate) fn merge(mut under: Map<String, Value>, over: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in over {
        let merged = match (under.remove(&key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => Value::Object(merge(under, over)),
            (_, value) => value,
        };
        under.insert(key, merged);
    }
    under
}
