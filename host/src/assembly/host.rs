//! The host: one configuration, its modules, and the models that are loaded from it.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::OnceCell;

use crate::{
    adapter::{adapter::Adapter, http::http_adapter::HttpAdapter, key::keys::resolver},
    assembly::{
        access::KeyRing,
        chain::{Links, SwitchedOn, wrap},
        in_code::Edit,
        pools::Pools,
        prepare::Prepared,
        reload::{Reloads, Told},
        upstreams::Upstreams,
        watch::Watching,
    },
    call::{
        clock::{self, Clock},
        model::Model,
        provider::Upstream,
    },
    config::{
        config::Config,
        error::{ConfigError, suggest},
        overrides::Overrides,
        resolve::ResolvedModel,
    },
    runtime::{
        instance::pool::Pool,
        link::{Current, Link},
    },
    state::state_store::{MemoryStore, StateStore},
    telemetry::meters::ModelMeters,
};

/// Loads models from one configuration. Cheap to clone; all clones share the modules that run.
#[derive(Clone)]
pub struct Host {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Host").field("config", &self.shared.config.file).finish_non_exhaustive()
    }
}

/// What a host and the models loaded from it share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    adapters: HashMap<String, (String, Arc<dyn Adapter>)>,
    pub(crate) keys: KeyRing,
    pub(crate) upstreams: Upstreams,
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) state_store: Arc<dyn StateStore>,
    calls: AtomicU64,
    pub(crate) pools: Pools,
    /// By the name of the module.
    accepted: Mutex<HashMap<String, Accepted>>,
    pub(crate) reloads: Reloads,
    pub(crate) told: Told,
    pub(crate) watches: bool,
    pub(crate) watching: Mutex<Watching>,
    modules_off: OnceCell<()>,
}

/// What a host last took for a module, and the instances that it last had a model run on: for who loads a model for each
/// call, and as what it goes back to where something else does not load.
#[derive(Clone)]
pub(crate) struct Accepted {
    pub(crate) prepared: Arc<Prepared>,
    _pool: Option<Arc<Pool>>,
}

/// Builds a [`Host`].
#[derive(Default)]
pub struct HostBuilder {
    config: Option<Config>,
    adapters: HashMap<String, (String, Arc<dyn Adapter>)>,
    keys: KeyRing,
    seed: Option<u64>,
    clock: Option<Clock>,
    state_store: Option<Arc<dyn StateStore>>,
    watch: Option<bool>,
    /// What the program sets in code, in its order.
    pub(crate) edits: Vec<Edit>,
}

impl HostBuilder {
    /// Takes this configuration instead of the built-in one.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Adds a provider of this name with an adapter of the caller's own, which is asked for this model.
    #[must_use]
    pub fn adapter(mut self, provider: impl Into<String>, model: impl Into<String>, adapter: Arc<dyn Adapter>) -> Self {
        self.adapters.insert(provider.into(), (model.into(), adapter));
        self
    }

    /// Asks this for the key of each provider, by its name, before what the configuration says: `Some` is the key, `None`
    /// leaves it to the configuration. It is asked when a key is first needed, and again after the provider has refused
    /// it with a 401; within `api_key_timeout_seconds` of the provider. Its errors are shown, so they must hold no key.
    ///
    /// A host has one key for a provider. A program with a key for each of its tenants has a host for each.
    ///
    /// Where the configuration is [not trusted](Config::is_trusted), only providers that are built in are asked for, and
    /// only where they are asked at their own address.
    ///
    /// ```
    /// # use arcllm::Host;
    /// # async fn look_up(path: &str) -> Result<String, std::io::Error> { Ok(String::new()) }
    /// let host = Host::builder().key_resolver(|provider| async move {
    ///     match provider.as_str() {
    ///         "openai" => look_up("vault/openai").await.map(Some),
    ///         _ => Ok(None),
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn key_resolver<F, Fut, E>(mut self, resolve: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<String>, E>> + Send + 'static,
        E: std::fmt::Display,
    {
        self.keys.resolver = Some(resolver(resolve));
        self
    }

    /// Draws the modules' random numbers from this seed. The first invoke of two hosts with the same seed draws the
    /// same numbers, and so does the second, however they interleave.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Tells modules the time of day by this clock instead of the system's. One that goes by tokio's time makes a run on
    /// paused time depend on nothing else:
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # let _guard = runtime.enter();
    /// let (began, since) = (std::time::SystemTime::now(), tokio::time::Instant::now());
    /// let host = arcllm::Host::builder().clock(move || began + since.elapsed()).build()?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(now));
        self
    }

    /// Where modules with the grant `state` keep what outlives a call; by default in memory that all hosts of the process
    /// share.
    #[must_use]
    pub fn state_store(mut self, store: Arc<dyn StateStore>) -> Self {
        self.state_store = Some(store);
        self
    }

    /// Whether a module that is dropped into the modules directory, replaced or removed takes effect for the models that
    /// are loaded, as if by [`Host::reload`]; otherwise what `host.watch` says, which is yes by default. Watching begins
    /// when a model with a module is loaded, and ends with the host and its models.
    #[must_use]
    pub fn watch(mut self, watch: bool) -> Self {
        self.watch = Some(watch);
        self
    }

    /// The host.
    ///
    /// # Errors
    ///
    /// If a setting that was given in code is wrong, or if the system has no random numbers and no seed was given.
    pub fn build(self) -> Result<Host, ConfigError> {
        let config = match self.config {
            Some(config) => config,
            None => Config::built_in()?,
        };
        let config = self.edits.into_iter().try_fold(config, |config, edit| edit(config))?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => {
                getrandom::u64().map_err(|error| ConfigError::new(format!("no random seed can be had: {error}")))?
            }
        };
        let shared = Shared {
            watches: self.watch.unwrap_or(config.watch),
            config,
            adapters: self.adapters,
            keys: self.keys,
            upstreams: Upstreams::default(),
            seed,
            clock: self.clock.unwrap_or_else(clock::system),
            state_store: self.state_store.unwrap_or_else(|| Arc::new(MemoryStore::of_process())),
            calls: AtomicU64::new(0),
            pools: Pools::default(),
            accepted: Mutex::default(),
            reloads: Reloads::default(),
            told: Told::default(),
            watching: Mutex::default(),
            modules_off: OnceCell::new(),
        };
        Ok(Host { shared: Arc::new(shared) })
    }
}

impl Host {
    /// A builder.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// A host of this config file.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn from_file(file: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::builder().config(Config::load(file.as_ref())?).build()
    }

    /// A host of the configuration that the environment points to; see [`Config::find`].
    ///
    /// # Errors
    ///
    /// As [`Config::find`].
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::builder().config(Config::find()?).build()
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Loads a model: a provider's adapter, in the modules that the configuration and the overrides put around it. Compiles
    /// modules that are not compiled yet; calling the model compiles nothing.
    ///
    /// `name` is one of
    /// - `"anthropic"`: a provider, asked for its default model;
    /// - `"anthropic/claude-haiku-4-5"`: a provider and a model;
    /// - `"fast"`: the name of a table `[models.fast]`, with a provider, a model, options and modules.
    ///
    /// # Errors
    ///
    /// Names the file, the key and what would be right. Nothing is sent.
    pub async fn load_model(&self, name: &str, overrides: Overrides) -> Result<Model, ConfigError> {
        let outside = |_| ConfigError::new("a model is loaded and invoked inside of a Tokio runtime");
        let runtime = tokio::runtime::Handle::try_current().map_err(outside)?;
        let ResolvedModel { provider, options, overrides } = self.shared.resolve(name, &overrides)?;
        self.shared.check_access(&provider, &overrides).await?;
        let upstream = self.shared.upstream(&provider, overrides.model.as_deref())?;
        let links = loop {
            let before = self.shared.reloads.begun();
            // Rare and large: boxed, so that the futures of callers stay small.
            let links = Box::pin(self.shared.links(&overrides)).await?;
            if self.shared.reloads.begun() == before {
                break links;
            }
        };
        self.shared.modules_off.get_or_try_init(|| self.shared.check_modules_off()).await?;
        let modules = links.iter().map(|link| link.module.clone()).collect();
        self.shared.make_ready(&links);
        let chain = wrap(&Arc::downgrade(&self.shared), &Links::new(links, runtime), Arc::new(upstream));
        let meters = Arc::new(ModelMeters::new(&*chain));
        Ok(Model { chain, modules, meters, options: options.into(), shared: self.shared.clone() })
    }
}

impl Shared {
    pub(crate) fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes the end of a chain: this provider's adapter. Only here is its key looked for.
    pub(crate) fn make_upstream(&self, name: &str, model: Option<&str>) -> Result<Upstream, ConfigError> {
        let model = self.model_of(name, model)?;
        if let Some((_, adapter)) = self.adapters.get(name) {
            return Ok(Upstream::new(name, model, adapter.clone()));
        }
        let provider = self.provider(name)?;
        let adapter = HttpAdapter::new(provider, model.clone(), Some(self.access(provider)?));
        let adapter = adapter.map_err(|problem| self.provider_error(provider, "base_url", problem.to_string()))?;
        Ok(Upstream::new(name, model, Arc::new(adapter)))
    }

    /// What a name stands for that a program or a module loads.
    pub(crate) fn resolve(&self, name: &str, overrides: &Overrides) -> Result<ResolvedModel, ConfigError> {
        self.config.resolve(name, self.adapters.keys().map(String::as_str), overrides)
    }

    /// The model that this provider is asked for, unless `model` says another.
    pub(crate) fn model_of(&self, name: &str, model: Option<&str>) -> Result<String, ConfigError> {
        let default = match self.adapters.get(name) {
            Some((default, _)) => Some(default),
            None => self.provider(name)?.default_model.as_ref(),
        };
        let model = model.or(default.map(String::as_str)).filter(|model| !model.is_empty());
        model.map(str::to_owned).ok_or_else(|| {
            let key = format!("providers.{name}.default_model");
            let error = self.config.document.error(Some(&key), "is missing, and no model was asked for");
            error.help("set it, or name a model with the call (--model)")
        })
    }

    fn provider(&self, name: &str) -> Result<&crate::config::provider::ProviderConfig, ConfigError> {
        self.config.providers.get(name).ok_or_else(|| {
            let mut error = ConfigError::new(format!("there is no provider named `{name}`"));
            error.file.clone_from(&self.config.file);
            error.help(suggest(name, self.provider_names()))
        })
    }

    /// Whether this provider is asked by an adapter of the program's own.
    pub(crate) fn has_adapter(&self, provider: &str) -> bool {
        self.adapters.contains_key(provider)
    }

    /// The names of all providers.
    pub(crate) fn provider_names(&self) -> impl Iterator<Item = &str> {
        self.config.providers.keys().chain(self.adapters.keys()).map(String::as_str)
    }

    pub(crate) fn accepted(&self, module: &str) -> Option<Accepted> {
        self.all_accepted().get(module).cloned()
    }

    pub(crate) fn accept(&self, module: &str, prepared: Arc<Prepared>, current: &Current) {
        let accepted = Accepted { prepared, _pool: current.pool().cloned() };
        // Dropped when the lock is free again: the last of a pool ends its instances.
        let before = self.all_accepted().insert(module.to_owned(), accepted);
        drop(before);
    }

    pub(crate) fn forget(&self, module: &str) {
        let before = self.all_accepted().remove(module);
        drop(before);
    }

    fn all_accepted(&self) -> MutexGuard<'_, HashMap<String, Accepted>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The modules that this load puts into the chain, outermost first, each ready to be called.
    async fn links(self: &Arc<Self>, overrides: &Overrides) -> Result<Vec<Arc<Link>>, ConfigError> {
        let mut links = Vec::new();
        for SwitchedOn { name, settings } in self.switched_on(overrides)? {
            self.watch();
            let asked = overrides.modules.get(&name);
            let current = self.ready(&name, &settings, asked).await?;
            let link = Arc::new(Link::new(&name, settings, asked.cloned(), current));
            self.reloads.add(&link);
            links.push(link);
        }
        for (name, asked) in &overrides.modules {
            // Off, and settings all the same: they are checked like those of a file.
            let mut settings = asked.as_object().cloned().unwrap_or_default();
            if settings.remove("enabled") == Some(false.into()) && !settings.is_empty() {
                self.check_module_off(name, &settings, Some(asked)).await?;
            }
        }
        Ok(links)
    }
}
