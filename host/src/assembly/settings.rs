//! Checks the settings of a module against the schema that the module describes.

use serde_json::{Map, Value};

use crate::{
    assembly::{schema, upstreams::Upstreams},
    chat::config_error::ConfigError,
    config::{config::Config, overrides::Overrides, suggest::suggest},
};

/// The format of a setting that names a provider.
pub(crate) const PROVIDER: &str = "arcllm-provider";

/// The format of a setting that names a model: what `load_model` takes.
pub(crate) const MODEL: &str = "arcllm-model";

/// What an error about an override ends with.
pub(crate) const IN_OVERRIDES: &str = " (in the overrides of this load)";

/// The settings of a module, and where they come from.
#[derive(Clone, Copy)]
pub(crate) struct ModuleSettings<'a> {
    pub(crate) module: &'a str,
    pub(crate) settings: &'a Map<String, Value>,
    /// The overrides of the load for this module.
    pub(crate) overrides: Option<&'a Value>,
}

impl ModuleSettings<'_> {
    /// Checks what the schema says and the module cannot know: that every key exists, and that providers exist. A
    /// schema may not restrict keys.
    ///
    /// # Errors
    ///
    /// The first setting that is wrong.
    pub(crate) fn check(&self, config: &Config, schema: &Value, upstreams: &Upstreams) -> Result<(), ConfigError> {
        self.check_keys(config, schema)?;
        let settings = Value::Object(self.settings.clone());
        schema::walk(schema, &settings, false, &mut |schema, path, value| match value {
            Value::String(name) if schema::format(schema) == Some(MODEL) => {
                let unknown = |error: ConfigError| {
                    let problem = format!("names the unknown provider or model `{name}`");
                    self.error(config, path, problem).help(error.help.unwrap_or_default())
                };
                upstreams.resolve(name, &Overrides::new()).map(drop).map_err(unknown)
            }
            Value::String(name) if schema::format(schema) == Some(PROVIDER) && !upstreams.has(name) => {
                let error = self.error(config, path, format!("names the unknown provider `{name}`"));
                Err(error.help(suggest(name, upstreams.providers())))
            }
            _ => Ok(()),
        })
    }

    fn check_keys(&self, config: &Config, schema: &Value) -> Result<(), ConfigError> {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
        if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Ok(());
        }
        match self.settings.keys().find(|key| !properties.contains_key(*key)) {
            None => Ok(()),
            Some(key) => {
                let own = ["enabled", "sandbox"];
                let known = properties.keys().map(String::as_str).chain(own);
                Err(self.error(config, key, "is not a setting".to_owned()).help(suggest(key, known)))
            }
        }
    }

    /// An error about the setting at this dotted path. An empty path means the module.
    pub(crate) fn error(&self, config: &Config, path: &str, problem: String) -> ConfigError {
        let module = self.module;
        let key = if path.is_empty() { format!("modules.{module}") } else { format!("modules.{module}.{path}") };
        match self.overrides.and_then(|overrides| overrides.get(first_key(path))) {
            Some(_) => ConfigError::new(format!("{problem}{IN_OVERRIDES}")).key(key),
            None => config.document.error(Some(&key), problem),
        }
    }

    /// Whether the settings have the key that this dotted path begins with.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.settings.contains_key(first_key(path))
    }
}

/// The first key of a dotted path.
fn first_key(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or_default()
}
