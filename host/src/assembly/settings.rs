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
            Value::Number(_) | Value::Bool(_) => match schema::words(schema) {
                Some(words) => {
                    let words = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
                    Err(self.error(config, path, format!("is {value}")).help(format!("one of {words}")))
                }
                None => Ok(()),
            },
            _ => Ok(()),
        })
    }

    /// Checks that all settings are there that the schema requires, at any depth. A module that is off may lack those of its
    /// own table.
    ///
    /// # Errors
    ///
    /// All that are missing, and what each is.
    pub(crate) fn check_complete(&self, config: &Config, schema: &Value, is_on: bool) -> Result<(), ConfigError> {
        let mut missing: Vec<(String, String, Option<String>)> = Vec::new();
        let settings = Value::Object(self.settings.clone());
        let walked = schema::walk::<std::convert::Infallible>(schema, &settings, false, &mut |schema, path, value| {
            if let (Value::Object(fields), true) = (value, is_on || !path.is_empty()) {
                let absent = schema::required(schema).filter(|key| !fields.contains_key(*key));
                missing.extend(absent.map(|key| (path.to_owned(), key.to_owned(), schema::documentation(schema, key))));
            }
            Ok(())
        });
        let Ok(()) = walked;
        let Some((table, ..)) = missing.first().cloned() else { return Ok(()) };
        let is_one_table = missing.iter().all(|(path, ..)| *path == table);
        let name = |(path, key, _): &(String, String, Option<String>)| match is_one_table || path.is_empty() {
            true => format!("`{key}`"),
            false => format!("`{path}.{key}`"),
        };
        let names: Vec<String> = missing.iter().map(name).collect();
        let told = missing.iter().filter_map(|one| Some(format!("{}: {}", name(one), one.2.as_ref()?)));
        let told: Vec<String> = told.collect();
        let settings = if names.len() == 1 { "setting" } else { "settings" };
        let path = if is_one_table { &*table } else { "" };
        let error = self.error(config, path, format!("needs the {settings} {}", names.join(", ")));
        Err(match told.is_empty() {
            true => error.help(format!(
                "`arcllm module inspect` shows what {} is",
                if names.len() == 1 { "it" } else { "each" }
            )),
            false => error.help(told.join("\n        ")),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(settings: &Value, is_on: bool) -> Option<String> {
        let table = |properties: Value, required: Value| json!({ "properties": properties, "required": required });
        let inner = table(json!({ "count": { "description": "How many.\nMore." } }), json!(["count"]));
        let properties = json!({
            "word": { "description": "The word." },
            "small": {},
            "inner": inner,
            "list": { "items": inner },
        });
        let schema = table(properties, json!(["word", "small"]));
        let settings = settings.as_object().unwrap();
        let settings = ModuleSettings { module: "m", settings, overrides: None };
        let config = Config::parse("", None).unwrap();
        settings.check_complete(&config, &schema, is_on).err().map(|error| error.to_string())
    }

    #[test]
    fn all_missing_settings_are_named_with_what_they_are() {
        for (settings, expected) in [
            (json!({}), Some("`modules.m` needs the settings `word`, `small`\n  help: `word`: The word.")),
            (
                json!({ "word": 1 }),
                Some("`modules.m` needs the setting `small`\n  help: `arcllm module inspect` shows what it is"),
            ),
            (json!({ "word": 1, "small": 1, "inner": { "count": 1 }, "list": [] }), None),
            (
                json!({ "word": 1, "small": 1, "inner": {} }),
                Some("`modules.m.inner` needs the setting `count`\n  help: `count`: How many."),
            ),
            (
                json!({ "word": 1, "list": [{}, { "count": 1 }] }),
                Some("`modules.m` needs the settings `small`, `list[0].count`\n  help: `list[0].count`: How many."),
            ),
        ] {
            assert_eq!(problem(&settings, true).as_deref(), expected, "{settings}");
        }
        assert_eq!(problem(&json!({}), false), None, "a module that is off may lack them");
        assert!(problem(&json!({ "inner": {} }), false).is_some());
    }
}
