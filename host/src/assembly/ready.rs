//! Has a module ready to be called, with as little work as that takes.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::{
    assembly::{host::Shared, pools::PoolKey, prepare::Prepared},
    config::error::ConfigError,
    runtime::{instance::pool::Pool, link::Current},
};

impl Shared {
    /// What the calls of a load run on. `asked` is what the overrides of the load had to say.
    pub(crate) async fn ready(
        &self,
        name: &str,
        settings: &Map<String, Value>,
        asked: Option<&Value>,
    ) -> Result<Current, ConfigError> {
        let runtime = &Handle::current();
        let accepted = self.accepted(name).map(|accepted| accepted.prepared);
        if let Some(accepted) = &accepted
            && self.is_unchanged(name, &accepted.origin, accepted.stamp)
        {
            let current = self.running(name, accepted, settings, asked, runtime).await?;
            self.accept(name, accepted.clone(), &current);
            return Ok(current);
        }
        let (digest, error) = match self.find(name).await {
            Err(error) => (String::new(), error),
            Ok(found) => {
                let digest = found.digest.clone();
                let running = async {
                    let prepared = Arc::new(self.prepare_found(name, found).await?);
                    let current = self.running(name, &prepared, settings, asked, runtime).await?;
                    self.accept(name, prepared, &current);
                    self.told.forget(name);
                    Ok(current)
                };
                match running.await {
                    Ok(current) => return Ok(current),
                    Err(error) => (digest, error),
                }
            }
        };
        // What does not load displaces nothing, for a new model as little as for one that is loaded.
        let Some(accepted) = accepted.filter(|_| !self.is_gone(name)) else { return Err(error) };
        match self.running(name, &accepted, settings, asked, runtime).await {
            Ok(current) => {
                self.warn_of(name, &digest, &error);
                Ok(current)
            }
            Err(_) => Err(error),
        }
    }

    /// Instances of this component with these settings, in this runtime: those that there are, or else new ones.
    pub(crate) async fn running(
        &self,
        name: &str,
        prepared: &Arc<Prepared>,
        settings: &Map<String, Value>,
        asked: Option<&Value>,
        runtime: &Handle,
    ) -> Result<Current, ConfigError> {
        let (origin, digest) = (prepared.origin.clone(), prepared.compiled.digest.clone());
        let key = PoolKey {
            digest: digest.clone(),
            origin: origin.clone(),
            module: name.to_owned(),
            settings: Value::Object(settings.clone()).to_string(),
            sandbox: prepared.sandbox.clone(),
            runtime: runtime.id(),
        };
        if let Some(pool) = self.pools.get(&key) {
            return Ok(Current::Runs { origin, digest, pool });
        }
        let instance = self.configured(name, prepared, settings, asked).await?;
        let (compiled, settings) = (prepared.compiled.clone(), key.settings.clone());
        // A reload may come from another one.
        let _inside = runtime.enter();
        let pool = Pool::new(
            name.into(),
            compiled,
            settings,
            prepared.share(self.config.modules_memory_mb),
            self.state_store.clone(),
            instance,
        );
        Ok(Current::Runs { origin, digest, pool: self.pools.share(key, pool) })
    }
}
