//! The host: one configuration, its modules, and the models that are loaded from it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use crate::{
    assembly::{
        enabled::EnabledModule,
        loader::ModuleLoader,
        models::ModuleModels,
        reloader::{Reload, Reloader},
        source::ModuleSource,
        state::HostState,
        upstreams::Upstreams,
        watcher::Watcher,
    },
    call::clock::Clock,
    chat::config_error::ConfigError,
    config::{config::Config, known_model::KnownModel, overrides::Overrides, resolve::ResolvedModel},
    model::{defaults::CallDefaults, model::Model},
    runtime::{
        chain::Chain,
        guest::{may_add::MayAdd, noting::AFTERWARDS, place::Place},
        slot::Slot,
    },
    state::state_store::StateStore,
    telemetry::meters::own_time,
};

/// How often [`Host::settled`] looks.
const LOOK: Duration = Duration::from_millis(2);

/// Loads models from one configuration. Cheap to clone; all clones share the modules that run.
#[derive(Clone)]
pub struct Host {
    pub(crate) inner: Arc<HostInner>,
}

/// The parts of a host.
pub(crate) struct HostInner {
    pub(crate) config: Arc<Config>,
    pub(crate) upstreams: Arc<Upstreams>,
    pub(crate) source: Arc<ModuleSource>,
    pub(crate) loader: Arc<ModuleLoader>,
    pub(crate) reloader: Arc<Reloader>,
    pub(crate) watcher: Watcher,
    pub(crate) defaults: Arc<CallDefaults>,
    pub(crate) clock: Clock,
    pub(crate) state: HostState,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Host").field("config", &self.inner.config.file).finish_non_exhaustive()
    }
}

impl Host {
    /// A host of these parts.
    pub(crate) fn new(inner: HostInner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// What [`load_model`](Host::load_model) can load: the names of `[models]`, each provider that has a default model, and
    /// each `PROVIDER/MODEL` that has a table of facts. Leaves out providers without a key.
    pub fn models(&self) -> Vec<KnownModel> {
        self.inner.upstreams.list()
    }

    /// The providers that the configuration names and that have no key, or lack a value of their headers or query, each with
    /// what is missing. [`models`](Self::models) leaves them out.
    pub fn without_key(&self) -> BTreeMap<String, ConfigError> {
        self.inner.upstreams.without_key()
    }

    /// Where its modules keep what outlives a call.
    pub fn state_store(&self) -> &Arc<dyn StateStore> {
        &self.inner.state.store
    }

    /// Loads a model: the adapter of a provider, in the modules that the configuration and the overrides put around it.
    /// Compiles modules that are not compiled yet. Calling the model compiles nothing.
    ///
    /// `name` is one of
    /// - `"anthropic"`: a provider, asked for its default model;
    /// - `"anthropic/claude-haiku-4-5"`: a provider and a model;
    /// - `"claude-haiku-4-5"`: a model that exactly one provider of the configuration names;
    /// - `"fast"`: the name of a table `[models.fast]`, with a provider, a model, options and modules.
    ///
    /// # Errors
    ///
    /// Names the file, the key and what would be right. Nothing is sent. An unknown name is
    /// [told apart](ConfigError::is_unknown_model).
    pub async fn load_model(&self, name: &str, overrides: Overrides) -> Result<Model, ConfigError> {
        let outside = |_| ConfigError::new("a model is loaded and invoked inside of a Tokio runtime");
        Handle::try_current().map_err(outside)?;
        let inner = &self.inner;
        let ResolvedModel { provider, options, overrides } = inner.upstreams.resolve(name, &overrides)?;
        inner.check_access(&provider, &overrides).await?;
        inner.state.check_named()?;
        let end = inner.upstreams.get(&provider, overrides.model.as_deref())?;
        let modules = loop {
            let reloads = inner.reloader.count();
            let modules = inner.load_modules(&overrides).await?;
            if inner.reloader.count() == reloads {
                break modules;
            }
        };
        if !modules.is_empty() {
            inner.state.check(&inner.config).await?;
        }
        Box::pin(inner.loader.check_disabled(&overrides)).await?;
        inner.upstreams.prepare(&modules);
        let is_named = inner.upstreams.names(&provider, &end.model);
        let chain = Chain { modules: modules.into(), end };
        Ok(Model::new(chain, options, inner.defaults.clone(), inner.clone(), is_named))
    }

    /// Looks at the file of every module that a loaded model has, and makes new calls run on what has changed. Calls under
    /// way finish on what they began with.
    ///
    /// A module is replaced for all models or for none. A file changes nothing, and is reported, if it does not compile, is
    /// not the one that the config pins, asks for what it is not granted, or refuses the settings of any model. New calls of a
    /// module whose file is removed fail.
    ///
    /// A host that watches its modules does this by itself; see [`HostBuilder::watch`](crate::HostBuilder::watch).
    pub async fn reload(&self) -> Reload {
        self.inner.reloader.reload().await
    }

    /// The modules of loaded models whose file was removed after they were loaded, by name. How their calls end, `on_trap` says.
    pub fn removed_modules(&self) -> Vec<String> {
        self.inner.reloader.removed()
    }

    /// Waits until no module has a call, nor something to note of one that is over, such as what it has cost; for 5 seconds at
    /// most. What modules still note when their Tokio runtime ends is lost, so a program that ends after a call waits here first.
    pub async fn settled(&self) {
        let idle = async {
            while !self.inner.loader.pools.are_idle() {
                sleep(LOOK).await;
            }
        };
        // A module that takes longer is stopped by its limits.
        let _ = timeout(AFTERWARDS, idle).await;
    }
}

impl HostInner {
    /// Checks what must be there when a model of this provider is loaded: its key, and the trust that the provider and the
    /// providers named by the modules need. Nothing is sent.
    ///
    /// # Errors
    ///
    /// What is missing.
    async fn check_access(&self, provider: &str, overrides: &Overrides) -> Result<(), ConfigError> {
        self.config.check_attempts_are_trusted()?;
        for provider in self.asked_by_chain(provider, overrides)? {
            self.config.check_provider_is_trusted(provider)?;
        }
        match self.config.providers.get(provider) {
            Some(provider) if !self.upstreams.has_adapter(&provider.name) => {
                self.upstreams.keys.keys(provider)?.get().await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// The modules that this load puts into the chain, outermost first, each ready to be called.
    async fn load_modules(&self, overrides: &Overrides) -> Result<Vec<Arc<Slot>>, ConfigError> {
        let mut slots = Vec::new();
        for module in self.loader.enabled(overrides).await? {
            self.watcher.watch();
            let version = Box::pin(self.loader.load(&module)).await?;
            let EnabledModule { name, settings, overrides } = module;
            let slot = Arc::new(Slot::new(self.place(&name), settings, overrides, version));
            self.reloader.add(&slot);
            slots.push(slot);
        }
        Ok(slots)
    }

    /// The place of this module in a chain that is loaded in the current Tokio runtime.
    pub(crate) fn place(&self, module: &str) -> Arc<Place> {
        let name: Arc<str> = module.into();
        Arc::new(Place {
            loader: Arc::new(ModuleModels::new(self.upstreams.clone(), name.clone())),
            may_add: MayAdd::of(self.config.modules.get(module).map(|module| &module.sandbox)),
            journal: self.loader.journal.opened.clone(),
            clock: self.clock.clone(),
            own_time: own_time(&name),
            module: name,
        })
    }
}
