//! Makes a module of bytes: checks them against the config, compiles, configures.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    assembly::{
        find::{Found, Stamp},
        host::Shared,
    },
    config::{
        error::{ConfigError, suggest},
        overrides::Overrides,
        sandbox::Sandbox,
    },
    runtime::{
        guest::{
            bindings::exports::arcllm::llm::module::{ConfigError as Refusal, Description},
            component::{Compiled, Origin},
            engine::Runtime,
        },
        instance::{instance::Instance, pool::Share},
    },
};

/// A module, compiled.
pub(crate) struct Prepared {
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) origin: Origin,
    /// By which to know the file again; absent if it cannot be.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) sandbox: Sandbox,
}

impl Shared {
    /// The module's component as it is now, compiled and allowed to run.
    pub(crate) async fn prepare(&self, name: &str) -> Result<Prepared, ConfigError> {
        let found = self.find(name).await?;
        self.prepare_found(name, found).await
    }

    /// The component that was found, compiled and allowed to run.
    pub(crate) async fn prepare_found(&self, name: &str, found: Found) -> Result<Prepared, ConfigError> {
        self.check_pin(name, &found)?;
        let prepared = self.compile(name, found).await?;
        self.check_grants(name, &prepared)?;
        Ok(prepared)
    }

    /// Refuses bytes that are not those that config pins.
    pub(crate) fn check_pin(&self, name: &str, found: &Found) -> Result<(), ConfigError> {
        let Found { origin, digest, sandbox, .. } = found;
        if sandbox.sha256.as_ref().is_none_or(|pinned| pinned.eq_ignore_ascii_case(digest)) {
            return Ok(());
        }
        let key = format!("modules.{name}.sandbox.sha256");
        let error = self.config.document.error(Some(&key), format!("does not match: {origin} has {digest}"));
        Err(error.help("set this digest if the new file is the one you want"))
    }

    /// Refuses a component that asks for what it is not granted.
    pub(crate) fn check_grants(&self, name: &str, prepared: &Prepared) -> Result<(), ConfigError> {
        let granted = prepared.granted();
        match prepared.compiled.asks_for().find(|grant| !granted.contains(grant)) {
            None => Ok(()),
            Some(grant) => {
                let key = format!("modules.{name}.sandbox.allow");
                let origin = &prepared.origin;
                let would =
                    if grant == "models" { "it would ask other models" } else { "it would keep values between calls" };
                let problem = format!("does not grant `{grant}`, which {origin} imports ({would})");
                let error = self.config.document.error(Some(&key), problem);
                Err(error
                    .help(format!("allow = [{grant:?}] under [modules.{name}.sandbox], if you trust it with that")))
            }
        }
    }

    /// An instance of the module, and what it says of itself.
    pub(crate) async fn started(
        &self,
        name: &str,
        prepared: &Prepared,
    ) -> Result<(Instance, Description), ConfigError> {
        let caps = prepared.share(self.config.modules_memory_mb).caps;
        let starting = Instance::start(name.into(), &prepared.compiled, caps, &*self.state_store).await;
        let mut instance = starting.map_err(|reason| prepared.failed(name, "start", &reason))?;
        let described = instance.describe().await;
        let description = described.map_err(|reason| prepared.failed(name, "describe itself", &reason))?;
        Ok((instance, description))
    }

    /// An instance of the module that has taken these settings. `asked` is what the overrides of the load had to say.
    pub(crate) async fn configured(
        &self,
        name: &str,
        prepared: &Prepared,
        settings: &Map<String, Value>,
        asked: Option<&Value>,
    ) -> Result<Instance, ConfigError> {
        let (instance, refusals) = self.offered(name, prepared, settings, asked).await?;
        match refusals {
            None => Ok(instance),
            Some(refusals) => Err(match refusals.into_iter().next() {
                Some(refusal) => self.refused(name, refusal, asked),
                None => {
                    let problem = "is refused by the module, which does not say why".to_owned();
                    self.setting_error(name, "", problem, asked)
                }
            }),
        }
    }

    /// Checks the settings of the modules that are off, once, so that a mistyped switch does not leave one off unnoticed.
    pub(crate) async fn check_modules_off(&self) -> Result<(), ConfigError> {
        for (name, module) in &self.config.modules {
            if !module.enabled && !module.settings.is_empty() {
                self.check_module_off(name, &module.settings, None).await?;
            }
        }
        Ok(())
    }

    /// What a module that is off does not have is no mistake: neither its file, nor a setting that it would need.
    pub(crate) async fn check_module_off(
        &self,
        name: &str,
        settings: &Map<String, Value>,
        asked: Option<&Value>,
    ) -> Result<(), ConfigError> {
        let Ok(prepared) = self.prepare(name).await else { return Ok(()) };
        let (_, refusals) = self.offered(name, &prepared, settings, asked).await?;
        let is_set = |refusal: &Refusal| settings.contains_key(first_key(&refusal.key));
        match refusals.into_iter().flatten().find(is_set) {
            None => Ok(()),
            Some(refusal) => Err(self.refused(name, refusal, asked)),
        }
    }

    /// An instance that was offered these settings, and what it has against them.
    async fn offered(
        &self,
        name: &str,
        prepared: &Prepared,
        settings: &Map<String, Value>,
        asked: Option<&Value>,
    ) -> Result<(Instance, Option<Vec<Refusal>>), ConfigError> {
        let (mut instance, description) = self.started(name, prepared).await?;
        let place = |key: &str, problem: String| self.setting_error(name, key, problem, asked);
        // A module is free to describe its settings in a way that says nothing here.
        let schema = serde_json::from_str(&description.config_schema).unwrap_or_default();
        let settings = Value::Object(settings.clone());
        check_keys(&schema, &settings, &place)?;
        self.check_providers(&schema, &settings, String::new(), &place)?;
        let configured = instance.configure(settings.to_string()).await;
        let configured = configured.map_err(|reason| prepared.failed(name, "read its settings", &reason))?;
        Ok((instance, configured.err()))
    }

    fn refused(&self, name: &str, refusal: Refusal, asked: Option<&Value>) -> ConfigError {
        let Refusal { key, message, expected } = refusal;
        self.setting_error(name, &key, message, asked).help(expected)
    }

    /// An error about a setting of a module, which stands in the file or came with the load.
    fn setting_error(&self, name: &str, key: &str, problem: String, asked: Option<&Value>) -> ConfigError {
        let path = if key.is_empty() { format!("modules.{name}") } else { format!("modules.{name}.{key}") };
        match asked.and_then(|asked| asked.get(first_key(key))) {
            Some(_) => ConfigError::new(format!("{problem} (in the overrides of this load)")).key(path),
            None => self.config.document.error(Some(&path), problem),
        }
    }

    /// Compiles what was found, unless the process has done that before.
    pub(crate) async fn compile(&self, name: &str, found: Found) -> Result<Prepared, ConfigError> {
        let Found { origin, digest, stamp, bytes, sandbox } = found;
        let runtime = Runtime::get(sandbox.limits.stack_kb)?;
        let is_built_in = origin == Origin::BuiltIn;
        let compiling = tokio::task::spawn_blocking(move || runtime.compile(&bytes, digest, is_built_in));
        let compiled =
            compiling.await.map_err(|error| ConfigError::new(format!("compiling `{name}` failed: {error}")))?;
        match compiled {
            Ok(compiled) => Ok(Prepared { compiled, origin, stamp, sandbox }),
            Err((problem, help)) => {
                let error = ConfigError::new(format!("{problem} (the module `{name}`)")).help(help);
                Err(match origin {
                    Origin::File(path) => error.file(path),
                    Origin::BuiltIn | Origin::Code => error,
                })
            }
        }
    }

    /// Settings whose schema says that they name a provider must name one that there is.
    fn check_providers(
        &self,
        schema: &Value,
        value: &Value,
        key: String,
        place: &impl Fn(&str, String) -> ConfigError,
    ) -> Result<(), ConfigError> {
        match value {
            Value::String(name) if schema.get("format").and_then(Value::as_str) == Some("arcllm-provider") => {
                let unknown = |error: ConfigError| {
                    let problem = format!("names the unknown provider `{name}`");
                    place(&key, problem).help(error.help.unwrap_or_default())
                };
                self.resolve(name, &Overrides::new()).map(drop).map_err(unknown)
            }
            Value::Array(items) => items.iter().enumerate().try_for_each(|(at, item)| {
                let schema = schema.get("items").unwrap_or(&Value::Null);
                self.check_providers(schema, item, format!("{key}[{at}]"), place)
            }),
            Value::Object(items) => items.iter().try_for_each(|(name, item)| {
                let names = schema.get("propertyNames").unwrap_or(&Value::Null);
                self.check_providers(names, &Value::String(name.clone()), key.clone(), place)?;
                let schema = schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Value::Null);
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                self.check_providers(schema, item, key, place)
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }
}

impl Prepared {
    /// What it is granted of what it asks for. A built-in module has it all.
    pub(crate) fn granted(&self) -> Vec<&'static str> {
        let allowed =
            |grant: &&str| self.origin == Origin::BuiltIn || self.sandbox.allow.iter().any(|one| one == grant);
        self.compiled.asks_for().filter(allowed).collect()
    }

    pub(crate) fn failed(&self, name: &str, doing: &str, reason: &str) -> ConfigError {
        let error = ConfigError::new(format!("names a module that failed to {doing} ({}): {reason}", self.origin));
        error.key(format!("modules.{name}"))
    }

    /// How calls share the module's instances, where those of the process may take so much memory. Many share one where
    /// the module forwards what it is given; few where it copies that.
    pub(crate) fn share(&self, modules_memory_mb: u64) -> Share {
        let is_built_in = self.origin == Origin::BuiltIn;
        let default = match is_built_in {
            true if self.compiled.forwards() => 1000,
            true => 16,
            false => 1,
        };
        let alone = self.sandbox.fresh || self.compiled.blocks;
        let most = if alone { 1 } else { self.sandbox.max_concurrent.unwrap_or(default) };
        let modules_memory = usize::try_from(modules_memory_mb.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
        Share::new(&self.sandbox, most, modules_memory, is_built_in)
    }
}

/// A setting that the schema rules out is most likely mistyped; the host knows what there is to choose from.
fn check_keys(
    schema: &Value,
    settings: &Value,
    place: &impl Fn(&str, String) -> ConfigError,
) -> Result<(), ConfigError> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let (Some(properties), Some(settings)) = (properties, settings.as_object()) else { return Ok(()) };
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Ok(());
    }
    match settings.keys().find(|key| !properties.contains_key(*key)) {
        None => Ok(()),
        Some(key) => {
            let own = ["enabled", "sandbox"];
            let known = properties.keys().map(String::as_str).chain(own);
            Err(place(key, "is not a setting".to_owned()).help(suggest(key, known)))
        }
    }
}

/// The key of a module's table that a dotted path begins with.
fn first_key(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or_default()
}
