//! Loads modules: reads, compiles, checks and configures them. It does each step only if needed.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::{runtime::Handle, sync::OnceCell};

use crate::{
    assembly::{
        enabled::EnabledModule,
        failures::{GOES_ON, KnownFailures},
        good_versions::GoodVersions,
        host_journal::HostJournal,
        pools::{PoolKey, Pools},
        prepared::PreparedModule,
        settings::ModuleSettings,
        source::{ModuleBytes, ModuleSource},
        upstreams::Upstreams,
    },
    chat::config_error::ConfigError,
    config::{
        compile_cache::CompileCache,
        config::Config,
        grant::{Grant, JOURNAL, MODELS, Scope},
        overrides::Overrides,
    },
    runtime::{
        guest::{
            bindings::exports::arcllm::llm::module::{ConfigError as Refusal, Description},
            component::CompiledComponent,
            engine::WasmRuntime,
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
    pub(crate) journal: HostJournal,
    compile_cache: CompileCache,
    pub(crate) pools: Pools,
    /// The last good version of each module, by name.
    pub(crate) good_versions: GoodVersions,
    /// The files that did not load.
    pub(crate) failures: KnownFailures,
    disabled: OnceCell<()>,
}

impl ModuleLoader {
    /// A loader of these modules.
    pub(crate) fn new(
        source: Arc<ModuleSource>,
        upstreams: Arc<Upstreams>,
        state_store: Arc<dyn StateStore>,
        journal: HostJournal,
        compile_cache: CompileCache,
    ) -> Self {
        let config = upstreams.config.clone();
        let (pools, good_versions, failures, disabled) = Default::default();
        Self {
            source,
            config,
            upstreams,
            state_store,
            journal,
            compile_cache,
            pools,
            good_versions,
            failures,
            disabled,
        }
    }

    /// Loads a module for the current Tokio runtime. If its file does not load, but did before, the earlier version
    /// goes on.
    ///
    /// # Errors
    ///
    /// What keeps the module from running.
    pub(crate) async fn load(&self, module: &EnabledModule) -> Result<Version, ConfigError> {
        let (name, runtime) = (&*module.name, &Handle::current());
        let settings =
            ModuleSettings { module: name, settings: &module.settings, overrides: module.overrides.as_ref() };
        let good = self.good_versions.get(name);
        if let Some(good) = &good
            && self.source.is_unchanged(name, &good.origin, good.stamp)
        {
            let version = self.run(good, settings, runtime).await?;
            self.good_versions.keep(name, good.clone(), &version);
            return Ok(version);
        }
        self.source.bring(name).await?;
        let (digest, error) = match self.source.find(name).await {
            Err(error) => (String::new(), error),
            Ok(found) => {
                let digest = found.digest.clone();
                match Box::pin(self.load_bytes(found, settings, runtime)).await {
                    Ok(version) => return Ok(version),
                    Err(error) => (digest, error),
                }
            }
        };
        let Some(good) = good.filter(|_| !self.source.is_gone(name)) else { return Err(error) };
        match self.run(&good, settings, runtime).await {
            Ok(version) => {
                self.failures.warn_once(name, &digest, &error, GOES_ON);
                Ok(version)
            }
            Err(_) => Err(error),
        }
    }

    async fn load_bytes(
        &self,
        found: ModuleBytes,
        settings: ModuleSettings<'_>,
        runtime: &Handle,
    ) -> Result<Version, ConfigError> {
        let name = settings.module;
        let prepared = Arc::new(self.prepare_bytes(name, found).await?);
        let version = self.run(&prepared, settings, runtime).await?;
        self.good_versions.keep(name, prepared, &version);
        self.failures.forget(name);
        Ok(version)
    }

    /// Compiles the current bytes of a module, and checks that it may run.
    pub(crate) async fn prepare(&self, name: &str) -> Result<PreparedModule, ConfigError> {
        let found = self.source.find(name).await?;
        self.prepare_bytes(name, found).await
    }

    /// Compiles these bytes, and checks that the module may run.
    pub(crate) async fn prepare_bytes(&self, name: &str, found: ModuleBytes) -> Result<PreparedModule, ConfigError> {
        self.check_pin(name, &found)?;
        self.source.check_lock(name, &found)?;
        let prepared = self.compile(name, found).await?;
        self.check_grants(name, &prepared)?;
        Ok(prepared)
    }

    /// Refuses bytes with another digest than the configuration pins.
    pub(crate) fn check_pin(&self, name: &str, found: &ModuleBytes) -> Result<(), ConfigError> {
        let ModuleBytes { origin, digest, sandbox, .. } = found;
        if sandbox.sha256.as_ref().is_none_or(|pinned| pinned.eq_ignore_ascii_case(digest)) {
            return Ok(());
        }
        let key = format!("modules.{name}.sandbox.sha256");
        let error = self.config.document.error(Some(&key), format!("does not match: {origin} has {digest}"));
        Err(error.help("set this digest if the new file is the one you want"))
    }

    /// Compiles the bytes, unless the process has compiled them before.
    pub(crate) async fn compile(&self, name: &str, found: ModuleBytes) -> Result<PreparedModule, ConfigError> {
        let ModuleBytes { origin, digest, stamp, bytes, sandbox } = found;
        let runtime = WasmRuntime::get(sandbox.limits.stack_kb, &self.compile_cache)?;
        let is_built_in = origin == Origin::BuiltIn;
        tracing::debug!(target: "arcllm::compile", module = name, bytes = bytes.len(), "compiling");
        let compiling =
            tokio::task::spawn_blocking(move || CompiledComponent::get(runtime, &bytes, digest, is_built_in));
        let compiled =
            compiling.await.map_err(|error| ConfigError::new(format!("compiling `{name}` failed: {error}")))?;
        tracing::debug!(target: "arcllm::compile", module = name, "compiled");
        match compiled {
            Ok(compiled) => Ok(PreparedModule { compiled, origin, stamp, sandbox }),
            Err(unfit) => {
                let error = ConfigError::new(format!("{} (the module `{name}`)", unfit.problem));
                let error = error.help(unfit.help.unwrap_or_default());
                Err(match origin {
                    Origin::File(path) => error.file(path),
                    Origin::BuiltIn | Origin::Registry(_) | Origin::Code => error,
                })
            }
        }
    }

    /// Refuses a module that imports more than it is granted.
    pub(crate) fn check_grants(&self, name: &str, prepared: &PreparedModule) -> Result<(), ConfigError> {
        let granted = prepared.granted();
        let key = format!("modules.{name}.sandbox.allow");
        let is_granted = |asked: &&str| granted.iter().any(|grant| grant.name == **asked);
        let Some(grant) = prepared.compiled.asks_for().find(|asked| !is_granted(asked)) else {
            return granted.iter().try_for_each(|grant| self.check_scope(&key, grant));
        };
        let origin = &prepared.origin;
        let would = match grant {
            MODELS => "it would ask other models",
            JOURNAL => "it would append records to the journal",
            _ => "it would keep values between calls",
        };
        let problem = format!("does not grant `{grant}`, which {origin} imports ({would})");
        let error = self.config.document.error(Some(&key), problem);
        let had = prepared.sandbox.allow.iter().map(Grant::to_toml);
        let all = had.chain([Grant::from(grant).to_toml()]).collect::<Vec<_>>().join(", ");
        Err(error.help(format!("allow = [{all}] under [modules.{name}.sandbox], if you trust it with that")))
    }

    /// Refuses a scope that names a model that does not exist.
    fn check_scope(&self, key: &str, grant: &Grant) -> Result<(), ConfigError> {
        let Some(Scope::Models(names)) = &grant.scope else { return Ok(()) };
        names.iter().try_for_each(|name| {
            let resolved = self.upstreams.resolve(name, &Overrides::new());
            resolved.map(drop).map_err(|unknown| {
                let problem = format!("has a scope with the unknown provider or model `{name}`");
                self.config.document.error(Some(key), problem).help(unknown.help.unwrap_or_default())
            })
        })
    }

    /// A pool of this component with these settings in this runtime: a running one, or a new one.
    pub(crate) async fn run(
        &self,
        prepared: &Arc<PreparedModule>,
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
        if prepared.compiled.asks_for().any(|grant| grant == JOURNAL) {
            self.journal.open().await?;
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

    /// Starts an instance that accepts these settings.
    pub(crate) async fn configured(
        &self,
        prepared: &PreparedModule,
        settings: ModuleSettings<'_>,
    ) -> Result<Instance, ConfigError> {
        let (instance, refusals) = self.offered(prepared, settings, true).await?;
        let Some(refusals) = refusals else { return Ok(instance) };
        Err(match refusals.into_iter().next() {
            Some(refusal) => self.refused(settings, refusal),
            None => {
                let problem = "is refused by the module, without a reason".to_owned();
                settings.error(&self.config, "", problem)
            }
        })
    }

    /// Starts an instance and offers it these settings. Returns it with what it refuses. A module that is off may lack some.
    async fn offered(
        &self,
        prepared: &PreparedModule,
        settings: ModuleSettings<'_>,
        is_on: bool,
    ) -> Result<(Instance, Option<Vec<Refusal>>), ConfigError> {
        let name = settings.module;
        let (mut instance, description) = self.started(name, prepared).await?;
        // A module may describe its settings with something other than JSON Schema.
        let schema = serde_json::from_str(&description.config_schema).unwrap_or_default();
        settings.check(&self.config, &schema, &self.upstreams)?;
        settings.check_complete(&self.config, &schema, is_on)?;
        let configured = instance.configure(Value::Object(settings.settings.clone()).to_string()).await;
        let configured = configured.map_err(|reason| prepared.failed(name, "read its settings", &reason))?;
        Ok((instance, configured.err()))
    }

    /// Starts an instance, with its description of itself.
    pub(crate) async fn started(
        &self,
        name: &str,
        prepared: &PreparedModule,
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
        // Modules that read their settings with serde say it so where their schema does not tell what they need.
        let message = match message.strip_prefix("missing field ") {
            Some(missing) => format!("needs the setting {missing}"),
            None => message,
        };
        settings.error(&self.config, &key, message).help(expected)
    }

    /// Checks the settings of modules that are off, so that a mistyped `enabled` is noticed: those of the configuration
    /// once, and those of this load's overrides.
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

    /// Checks the settings of a module that is off. A missing file or a missing setting is not an error.
    pub(crate) async fn check_disabled_module(&self, settings: ModuleSettings<'_>) -> Result<(), ConfigError> {
        let Ok(prepared) = self.prepare(settings.module).await else { return Ok(()) };
        let (_, refusals) = self.offered(&prepared, settings, false).await?;
        match refusals.into_iter().flatten().find(|refusal| settings.has(&refusal.key)) {
            None => Ok(()),
            Some(refusal) => Err(self.refused(settings, refusal)),
        }
    }
}

/// The settings of a module in the configuration.
pub(crate) fn configured_settings(config: &Config, module: &str) -> Map<String, Value> {
    config.modules.get(module).map(|module| module.settings.clone()).unwrap_or_default()
}
