//! Loads modules: reads, compiles, checks and configures them, with as little work as that takes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Map, Value};
use tokio::{runtime::Handle, sync::OnceCell};

use crate::{
    assembly::{
        enabled::EnabledModule,
        failures::KnownFailures,
        pools::{PoolKey, Pools},
        prepared::Prepared,
        settings::ModuleSettings,
        source::{Found, ModuleSource},
        upstreams::Upstreams,
    },
    config::{compile_cache::CompileCache, config::Config, error::ConfigError, overrides::Overrides},
    runtime::{
        guest::{
            bindings::exports::arcllm::llm::module::{ConfigError as Refusal, Description},
            component::Compiled,
            engine::Runtime,
            origin::Origin,
        },
        instance::{instance::Instance, pool::Pool},
        slot::Version,
    },
    state::state_store::StateStore,
};

/// Loads the modules of a host.
pub(crate) struct ModuleLoader {
    pub(crate) source: Arc<ModuleSource>,
    config: Arc<Config>,
    /// The models that settings may name.
    upstreams: Arc<Upstreams>,
    state_store: Arc<dyn StateStore>,
    compile_cache: CompileCache,
    pools: Pools,
    /// The last good version of each module, by name.
    accepted: Mutex<HashMap<String, Accepted>>,
    /// The files that did not load.
    pub(crate) failures: KnownFailures,
    disabled: OnceCell<()>,
}

/// The last good version of a module, and the instances that a model last had of it: for programs that load a model for
/// each call, and to go back to where a newer file does not load.
#[derive(Clone)]
pub(crate) struct Accepted {
    pub(crate) prepared: Arc<Prepared>,
    _pool: Option<Arc<Pool>>,
}

impl ModuleLoader {
    /// A loader of these modules.
    pub(crate) fn new(
        source: Arc<ModuleSource>,
        upstreams: Arc<Upstreams>,
        state_store: Arc<dyn StateStore>,
        compile_cache: CompileCache,
    ) -> Self {
        let config = upstreams.config.clone();
        let (pools, accepted, failures, disabled) = Default::default();
        Self { source, config, upstreams, state_store, compile_cache, pools, accepted, failures, disabled }
    }

    /// What the calls of a module run on in the current Tokio runtime. Where its file does not load, but did before, that is
    /// the version from before.
    ///
    /// # Errors
    ///
    /// Whatever keeps the module from running.
    pub(crate) async fn load(&self, module: &EnabledModule) -> Result<Version, ConfigError> {
        let (name, runtime) = (&*module.name, &Handle::current());
        let settings =
            ModuleSettings { module: name, settings: &module.settings, overrides: module.overrides.as_ref() };
        let accepted = self.accepted(name).map(|accepted| accepted.prepared);
        if let Some(accepted) = &accepted
            && self.source.is_unchanged(name, &accepted.origin, accepted.stamp)
        {
            let version = self.run(accepted, settings, runtime).await?;
            self.accept(name, accepted.clone(), &version);
            return Ok(version);
        }
        let (digest, error) = match self.source.find(name).await {
            Err(error) => (String::new(), error),
            Ok(found) => {
                let digest = found.digest.clone();
                match Box::pin(self.load_found(found, settings, runtime)).await {
                    Ok(version) => return Ok(version),
                    Err(error) => (digest, error),
                }
            }
        };
        let Some(accepted) = accepted.filter(|_| !self.source.is_gone(name)) else { return Err(error) };
        match self.run(&accepted, settings, runtime).await {
            Ok(version) => {
                self.failures.warn_once(name, &digest, &error);
                Ok(version)
            }
            Err(_) => Err(error),
        }
    }

    async fn load_found(
        &self,
        found: Found,
        settings: ModuleSettings<'_>,
        runtime: &Handle,
    ) -> Result<Version, ConfigError> {
        let name = settings.module;
        let prepared = Arc::new(self.prepare_found(name, found).await?);
        let version = self.run(&prepared, settings, runtime).await?;
        self.accept(name, prepared, &version);
        self.failures.forget(name);
        Ok(version)
    }

    /// The module as it is now, compiled and allowed to run.
    pub(crate) async fn prepare(&self, name: &str) -> Result<Prepared, ConfigError> {
        let found = self.source.find(name).await?;
        self.prepare_found(name, found).await
    }

    /// The module that was found, compiled and allowed to run.
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

    /// Compiles what was found, unless the process has compiled it before.
    pub(crate) async fn compile(&self, name: &str, found: Found) -> Result<Prepared, ConfigError> {
        let Found { origin, digest, stamp, bytes, sandbox } = found;
        let runtime = Runtime::get(sandbox.limits.stack_kb, &self.compile_cache)?;
        let is_built_in = origin == Origin::BuiltIn;
        let compiling = tokio::task::spawn_blocking(move || Compiled::get(runtime, &bytes, digest, is_built_in));
        let compiled =
            compiling.await.map_err(|error| ConfigError::new(format!("compiling `{name}` failed: {error}")))?;
        match compiled {
            Ok(compiled) => Ok(Prepared { compiled, origin, stamp, sandbox }),
            Err(unfit) => {
                let error = ConfigError::new(format!("{} (the module `{name}`)", unfit.problem));
                let error = error.help(unfit.help.unwrap_or_default());
                Err(match origin {
                    Origin::File(path) => error.file(path),
                    Origin::BuiltIn | Origin::Code => error,
                })
            }
        }
    }

    /// Refuses a module that asks for what it is not granted.
    pub(crate) fn check_grants(&self, name: &str, prepared: &Prepared) -> Result<(), ConfigError> {
        let granted = prepared.granted();
        let Some(grant) = prepared.compiled.asks_for().find(|grant| !granted.contains(grant)) else { return Ok(()) };
        let key = format!("modules.{name}.sandbox.allow");
        let origin = &prepared.origin;
        let would = if grant == "models" { "it would ask other models" } else { "it would keep values between calls" };
        let problem = format!("does not grant `{grant}`, which {origin} imports ({would})");
        let error = self.config.document.error(Some(&key), problem);
        Err(error.help(format!("allow = [{grant:?}] under [modules.{name}.sandbox], if you trust it with that")))
    }

    /// Instances of this component with these settings, in this runtime: those that run already, or new ones.
    pub(crate) async fn run(
        &self,
        prepared: &Arc<Prepared>,
        settings: ModuleSettings<'_>,
        runtime: &Handle,
    ) -> Result<Version, ConfigError> {
        let (origin, digest) = (prepared.origin.clone(), prepared.compiled.digest.clone());
        let key = PoolKey {
            digest: digest.clone(),
            origin: origin.clone(),
            module: settings.module.to_owned(),
            settings: Value::Object(settings.settings.clone()).to_string(),
            sandbox: prepared.sandbox.clone(),
            runtime: runtime.id(),
        };
        if let Some(pool) = self.pools.get(&key) {
            return Ok(Version::Runs { origin, digest, pool });
        }
        let instance = self.configured(prepared, settings).await?;
        // A reload may come from another runtime.
        let _inside = runtime.enter();
        let pool = Pool::new(
            settings.module.into(),
            prepared.compiled.clone(),
            key.settings.clone(),
            prepared.policy(self.config.modules_memory_mb),
            self.state_store.clone(),
            instance,
        );
        Ok(Version::Runs { origin, digest, pool: self.pools.share(key, pool) })
    }

    /// An instance that has taken these settings.
    pub(crate) async fn configured(
        &self,
        prepared: &Prepared,
        settings: ModuleSettings<'_>,
    ) -> Result<Instance, ConfigError> {
        let (instance, refusals) = self.offered(prepared, settings).await?;
        let Some(refusals) = refusals else { return Ok(instance) };
        Err(match refusals.into_iter().next() {
            Some(refusal) => self.refused(settings, refusal),
            None => {
                let problem = "is refused by the module, which does not say why".to_owned();
                settings.error(&self.config, "", problem)
            }
        })
    }

    /// An instance that was offered these settings, and what it has against them.
    async fn offered(
        &self,
        prepared: &Prepared,
        settings: ModuleSettings<'_>,
    ) -> Result<(Instance, Option<Vec<Refusal>>), ConfigError> {
        let name = settings.module;
        let (mut instance, description) = self.started(name, prepared).await?;
        // A module is free to describe its settings in a way that says nothing here.
        let schema = serde_json::from_str(&description.config_schema).unwrap_or_default();
        settings.check(&self.config, &schema, &self.upstreams)?;
        let configured = instance.configure(Value::Object(settings.settings.clone()).to_string()).await;
        let configured = configured.map_err(|reason| prepared.failed(name, "read its settings", &reason))?;
        Ok((instance, configured.err()))
    }

    /// An instance of the module, and what it says of itself.
    pub(crate) async fn started(
        &self,
        name: &str,
        prepared: &Prepared,
    ) -> Result<(Instance, Description), ConfigError> {
        let policy = prepared.policy(self.config.modules_memory_mb);
        let starting = Instance::start(name.into(), &prepared.compiled, policy, &*self.state_store).await;
        let mut instance = starting.map_err(|reason| prepared.failed(name, "start", &reason))?;
        let described = instance.describe().await;
        let description = described.map_err(|reason| prepared.failed(name, "describe itself", &reason))?;
        Ok((instance, description))
    }

    fn refused(&self, settings: ModuleSettings<'_>, refusal: Refusal) -> ConfigError {
        let Refusal { key, message, expected } = refusal;
        settings.error(&self.config, &key, message).help(expected)
    }

    /// Checks the settings of modules that are off, so that a mistyped switch does not leave one off unnoticed: those of the
    /// configuration once, and those of the overrides of this load.
    pub(crate) async fn check_disabled(&self, overrides: &Overrides) -> Result<(), ConfigError> {
        for (module, asked) in &overrides.modules {
            let mut settings = asked.as_object().cloned().unwrap_or_default();
            if settings.remove("enabled") == Some(false.into()) && !settings.is_empty() {
                let settings = ModuleSettings { module, settings: &settings, overrides: Some(asked) };
                self.check_disabled_module(settings).await?;
            }
        }
        self.disabled.get_or_try_init(|| self.check_disabled_modules()).await.map(drop)
    }

    async fn check_disabled_modules(&self) -> Result<(), ConfigError> {
        for (name, module) in &self.config.modules {
            if !module.enabled && !module.settings.is_empty() {
                let settings = ModuleSettings { module: name, settings: &module.settings, overrides: None };
                self.check_disabled_module(settings).await?;
            }
        }
        Ok(())
    }

    /// Checks the settings of a module that is off. It is no mistake if its file or a setting that it needs is missing.
    pub(crate) async fn check_disabled_module(&self, settings: ModuleSettings<'_>) -> Result<(), ConfigError> {
        let Ok(prepared) = self.prepare(settings.module).await else { return Ok(()) };
        let (_, refusals) = self.offered(&prepared, settings).await?;
        match refusals.into_iter().flatten().find(|refusal| settings.has(&refusal.key)) {
            None => Ok(()),
            Some(refusal) => Err(self.refused(settings, refusal)),
        }
    }

    /// The last good version of a module.
    pub(crate) fn accepted(&self, module: &str) -> Option<Accepted> {
        self.all_accepted().get(module).cloned()
    }

    /// Keeps this as the last good version of a module.
    pub(crate) fn accept(&self, module: &str, prepared: Arc<Prepared>, version: &Version) {
        let accepted = Accepted { prepared, _pool: version.pool().cloned() };
        // Dropped when the lock is free again: the last of a pool ends its instances.
        let before = self.all_accepted().insert(module.to_owned(), accepted);
        drop(before);
    }

    /// Forgets the last good version of a module.
    pub(crate) fn forget(&self, module: &str) {
        let before = self.all_accepted().remove(module);
        drop(before);
    }

    fn all_accepted(&self) -> MutexGuard<'_, HashMap<String, Accepted>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The settings of a module as the configuration has them.
pub(crate) fn configured_settings(config: &Config, module: &str) -> Map<String, Value> {
    config.modules.get(module).map(|module| module.settings.clone()).unwrap_or_default()
}
