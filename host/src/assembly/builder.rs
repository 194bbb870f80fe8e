//! Builds a host.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    time::SystemTime,
};

use secrecy::SecretString;

use crate::{
    adapter::{
        adapter::Adapter,
        key::provider_key::{Resolver, resolver},
    },
    assembly::{
        host::{Host, HostInner},
        host_journal::HostJournal,
        key_ring::KeyRing,
        loader::ModuleLoader,
        reloader::Reloader,
        source::ModuleSource,
        state::HostState,
        upstreams::Upstreams,
        watcher::Watcher,
    },
    call::clock::{self, Clock},
    chat::config_error::ConfigError,
    config::{compile_cache::CompileCache, config::Config, module_store::ModuleStore},
    journal::journal::Journal,
    model::defaults::CallDefaults,
    state::state_store::StateStore,
};

/// A change of the configuration, made when the host is built.
pub(crate) type Edit = Box<dyn FnOnce(Config) -> Result<Config, ConfigError> + Send + Sync>;

/// Builds a [`Host`].
#[derive(Default)]
pub struct HostBuilder {
    config: Option<Config>,
    adapters: BTreeMap<String, (String, Arc<dyn Adapter>)>,
    resolver: Option<Resolver>,
    seed: Option<u64>,
    clock: Option<Clock>,
    state_store: Option<Arc<dyn StateStore>>,
    journal: Option<Arc<dyn Journal>>,
    watch: Option<bool>,
    compile_cache: CompileCache,
    module_store: Option<ModuleStore>,
    http_client: Option<reqwest::Client>,
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
    /// # async fn look_up(path: &str) -> Result<arcllm::SecretString, std::io::Error> { Ok("".into()) }
    /// let host = Host::builder().key_resolver(|provider| async move {
    ///     match provider.as_str() {
    ///         "openai" => look_up("vault/openai").await.map(Some),
    ///         _ => Ok(None),
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn key_resolver<F, Fut, K, E>(mut self, resolve: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<K>, E>> + Send + 'static,
        K: Into<SecretString>,
        E: std::fmt::Display,
    {
        self.resolver = Some(resolver(resolve));
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

    /// Where modules with the grant `state` keep what outlives a call; by default where `[state]` says, which is
    /// memory that all hosts of the process share.
    #[must_use]
    pub fn state_store(mut self, store: Arc<dyn StateStore>) -> Self {
        self.state_store = Some(store);
        self
    }

    /// Where modules with the grant `journal` append records, instead of the folder of `[journal]`.
    #[must_use]
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Sets whether a module that is dropped into the modules directory, replaced or removed takes effect for the models that are
    /// loaded, as if by [`Host::reload`]. Unless it is set here, `host.watch` decides, and without that nothing is watched.
    /// Watching begins when a model with a module is loaded, and ends with the host and its models.
    #[must_use]
    pub fn watch(mut self, watch: bool) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Sends all requests of this host with this client instead of the library's own: for proxies, certificates or middleware of
    /// the program's own. `connect_timeout_seconds` has no effect then.
    ///
    /// Give it [`redirect::Policy::none`](reqwest::redirect::Policy::none). A client that follows redirects can carry a key to
    /// another server.
    ///
    /// ```
    /// # let _ = reqwest::Client::builder;
    /// # fn build() -> Result<arcllm::Host, Box<dyn std::error::Error>> {
    /// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).user_agent("mine").build()?;
    /// Ok(arcllm::Host::builder().http_client(client).build()?)
    /// # }
    /// ```
    #[must_use]
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http_client = Some(client);
        self
    }

    /// Sets where compiled modules are kept from one start of the program to the next: by default in the user's cache
    /// directory.
    #[must_use]
    pub fn compile_cache(mut self, cache: CompileCache) -> Self {
        self.compile_cache = cache;
        self
    }

    /// Sets where modules from registries lie: by default in [`ModuleStore::of_user`].
    #[must_use]
    pub fn module_store(mut self, store: ModuleStore) -> Self {
        self.module_store = Some(store);
        self
    }

    /// The host.
    ///
    /// # Errors
    ///
    /// If a setting that was given in code is wrong.
    pub fn build(self) -> Result<Host, ConfigError> {
        let config = match self.config {
            Some(config) => config,
            None => Config::built_in()?,
        };
        let config = self.edits.into_iter().try_fold(config, |config, edit| edit(config))?;
        let (config, clock) = (Arc::new(config), self.clock.unwrap_or_else(clock::system));
        let state = HostState::new(self.state_store, &config.state)?;
        let keys = KeyRing::new(config.clone(), self.resolver);
        let upstreams = Arc::new(Upstreams::new(config.clone(), self.adapters, keys, self.http_client));
        let source = Arc::new(ModuleSource::new(config.clone(), self.module_store.or_else(ModuleStore::of_user)));
        let journal = HostJournal::new(config.clone(), self.journal);
        let loader =
            ModuleLoader::new(source.clone(), upstreams.clone(), state.store.clone(), journal, self.compile_cache);
        let loader = Arc::new(loader);
        let reloader = Arc::new(Reloader::new(loader.clone()));
        let watcher = Watcher::new(source.clone(), reloader.clone(), self.watch.or(config.watch).unwrap_or(false));
        let defaults = CallDefaults {
            deadline: config.deadline,
            max_attempts: config.max_attempts,
            trace_content: config.trace_content,
            propagate_trace: config.propagate_trace,
            seed: self.seed.unwrap_or_else(rand::random),
            calls: AtomicU64::new(0),
        };
        let defaults = Arc::new(defaults);
        Ok(Host::new(HostInner { config, upstreams, source, loader, reloader, watcher, defaults, clock, state }))
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
}
