//! What one load changes in the configuration.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    chat::config_error::ConfigError,
    config::{module::ModuleConfig, section::kind},
};

/// What one load changes in the configuration.
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
#[non_exhaustive]
pub struct Overrides {
    /// The model to ask for instead of the provider's default.
    pub model: Option<String>,
    /// What each module does; one that is absent does what the configuration says.
    pub(crate) modules: BTreeMap<String, Value>,
}

impl Overrides {
    /// Changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for this model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Switches this module off (`false`), on (`true`), or on with these settings (a JSON object); see [`Switch`].
    #[must_use]
    pub fn module(mut self, name: impl Into<String>, switch: impl Into<Switch>) -> Self {
        self.modules.insert(name.into(), switch.into().0);
        self
    }

    /// These over others. What both say of a module is merged; here `true` and a table switch it on.
    pub(crate) fn over(&self, under: Self) -> Self {
        let Overrides { model, mut modules } = under;
        for (name, over) in &self.modules {
            let merged = match (modules.remove(name), over) {
                (Some(Value::Object(mut under)), Value::Object(over)) => {
                    under.remove("enabled");
                    Value::Object(merge(under, over.clone()))
                }
                (Some(Value::Object(mut under)), Value::Bool(true)) => {
                    under.remove("enabled");
                    Value::Object(under)
                }
                (_, over) => over.clone(),
            };
            modules.insert(name.clone(), merged);
        }
        Overrides { model: self.model.clone().or(model), modules }
    }
}

/// What a load does with a module. Made of
/// - `false`: the module is off;
/// - `true`: it is on with the settings of the configuration;
/// - a JSON object: it is on with these settings merged over those of the configuration. With `"enabled": false` among them
///   it is off, and the others are only checked.
///
/// Any other JSON is an error when the model is loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Switch(Value);

impl From<bool> for Switch {
    fn from(on: bool) -> Self {
        Switch(on.into())
    }
}

impl From<Map<String, Value>> for Switch {
    fn from(settings: Map<String, Value>) -> Self {
        Switch(settings.into())
    }
}

impl From<Value> for Switch {
    fn from(value: Value) -> Self {
        Switch(value)
    }
}

/// Whether a module stands in a chain, and with which settings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Switched {
    /// It does not.
    Off,
    /// It does.
    On(Map<String, Value>),
}

impl Switched {
    /// What the configuration and the overrides of one load come to.
    pub(crate) fn of(
        name: &str,
        configured: Option<&ModuleConfig>,
        asked: Option<&Value>,
    ) -> Result<Self, ConfigError> {
        let (enabled, settings) = match configured {
            Some(module) => (module.enabled, module.settings.clone()),
            None => (false, Map::new()),
        };
        let Some(asked) = asked else {
            return Ok(if enabled { Switched::On(settings) } else { Switched::Off });
        };
        check_switch(asked).map_err(|wrong| {
            let error = ConfigError::new(format!("{} in the overrides of this load", wrong.problem));
            error.key(wrong.key(&format!("modules.{name}"))).help(wrong.help)
        })?;
        Ok(match asked {
            Value::Bool(false) => Switched::Off,
            Value::Object(table) if table.get("enabled") == Some(&Value::Bool(false)) => Switched::Off,
            Value::Object(table) => {
                let mut table = table.clone();
                table.remove("enabled");
                Switched::On(merge(settings, table))
            }
            _ => Switched::On(settings),
        })
    }
}

/// What is wrong with a switch.
pub(crate) struct WrongSwitch {
    /// The key in its table, if it is a table.
    key: Option<&'static str>,
    pub(crate) problem: String,
    pub(crate) help: &'static str,
}

impl WrongSwitch {
    /// The dotted path of what is wrong, where the switch is at this path.
    pub(crate) fn key(&self, path: &str) -> String {
        self.key.map_or_else(|| path.to_owned(), |key| format!("{path}.{key}"))
    }
}

/// Checks what overrides, or a table of `[models]`, say of a module.
pub(crate) fn check_switch(switch: &Value) -> Result<(), WrongSwitch> {
    let wrong = |key, value: &Value, help| Err(WrongSwitch { key, problem: format!("is {}", kind(value)), help });
    let table = match switch {
        Value::Bool(_) => return Ok(()),
        Value::Object(table) => table,
        other => return wrong(None, other, "true (on), false (off), or a table of settings (on)"),
    };
    if let Some(sandbox) = table.get("sandbox") {
        return wrong(Some("sandbox"), sandbox, "the sandbox is set in the config file alone");
    }
    match table.get("enabled") {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(other) => wrong(Some("enabled"), other, "true or false"),
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_load_has_the_last_word() {
        let over = |under: Value, over: Value| {
            let under = Overrides::new().model("under").module("m", under);
            Overrides::new().module("m", over).over(under).modules["m"].clone()
        };
        assert_eq!(over(json!({"a": 1, "b": 1}), json!({"b": 2})), json!({"a": 1, "b": 2}));
        assert_eq!(over(json!({"a": 1, "enabled": false}), json!({"b": 2})), json!({"a": 1, "b": 2}), "it is on");
        assert_eq!(over(json!({"a": 1, "enabled": false}), json!(true)), json!({"a": 1}));
        assert_eq!(over(json!({"a": 1}), json!(false)), json!(false));
        assert_eq!(over(json!(false), json!({"b": 2})), json!({"b": 2}));
        let both = Overrides::new().over(Overrides::new().model("under").module("m", true));
        assert_eq!(both, Overrides::new().model("under").module("m", true));
    }
}
