//! The store that the configuration names.

use std::sync::Arc;

use crate::{
    chat::config_error::ConfigError,
    config::{
        config::Config,
        state::{StateConfig, StoreConfig},
    },
    state::{memory_store::MemoryStore, state_store::StateStore, watched_store::WatchedStore},
};
#[cfg(feature = "redis")]
use {crate::state::redis::redis_store::RedisStore, tokio::sync::OnceCell};

/// Where the modules of a host keep what outlives a call.
pub(crate) struct HostState {
    pub(crate) store: Arc<dyn StateStore>,
    /// Why the configuration names no store. Then no model is loaded.
    unset: Option<ConfigError>,
    /// A Redis, and whether it has been asked to let this program in.
    #[cfg(feature = "redis")]
    redis: Option<(Arc<RedisStore>, OnceCell<()>)>,
}

impl HostState {
    /// The store of the program, if it has one, or else that of the configuration.
    pub(crate) fn new(own: Option<Arc<dyn StateStore>>, state: &StateConfig) -> Result<Self, ConfigError> {
        match (own, &state.store) {
            (Some(own), _) => Ok(Self::watched(own, state)),
            (None, StoreConfig::Memory) => Ok(Self::watched(Arc::new(MemoryStore::of_process()), state)),
            (None, StoreConfig::Unset(error)) => {
                Ok(Self { unset: Some(error.clone()), ..Self::of(Arc::new(MemoryStore::default())) })
            }
            #[cfg(feature = "redis")]
            (None, StoreConfig::Redis(redis)) => {
                let redis = Arc::new(RedisStore::new(redis.clone(), state));
                Ok(Self { redis: Some((redis.clone(), OnceCell::new())), ..Self::watched(redis, state) })
            }
            #[cfg(not(feature = "redis"))]
            (None, StoreConfig::Redis(redis)) => {
                let error = ConfigError::new("names a Redis, which this program cannot use").key(redis.key);
                Err(error.help("build it with the feature `redis` of the crate arcllm, or write \"memory\""))
            }
        }
    }

    fn watched(store: Arc<dyn StateStore>, state: &StateConfig) -> Self {
        Self::of(Arc::new(WatchedStore::new(store, state.timeout)))
    }

    fn of(store: Arc<dyn StateStore>) -> Self {
        Self {
            store,
            unset: None,
            #[cfg(feature = "redis")]
            redis: None,
        }
    }

    /// Checks that the configuration names a store.
    ///
    /// # Errors
    ///
    /// Names the variable that is not set.
    pub(crate) fn check_named(&self) -> Result<(), ConfigError> {
        self.unset.clone().map_or(Ok(()), Err)
    }

    /// Checks, once, that a store on another machine lets this program in.
    ///
    /// # Errors
    ///
    /// If it does not, or if the configuration may not send anything there.
    pub(crate) async fn check(&self, config: &Config) -> Result<(), ConfigError> {
        #[cfg(feature = "redis")]
        if let Some((redis, checked)) = &self.redis {
            config.check_state_is_trusted()?;
            checked.get_or_try_init(|| redis.check(config)).await?;
        }
        #[cfg(not(feature = "redis"))]
        let _ = config;
        Ok(())
    }
}
