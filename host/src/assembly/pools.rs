//! A host's pools, by what they run. The chains that use them keep them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::{
    config::sandbox::Sandbox,
    runtime::{guest::origin::Origin, instance::pool::Pool},
};

/// What two models must have in common to share a module's instances.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    pub(crate) digest: String,
    /// A built-in module is trusted with more.
    pub(crate) origin: Origin,
    pub(crate) module: String,
    /// As JSON.
    pub(crate) settings: String,
    pub(crate) sandbox: Sandbox,
    /// Tokio's: an instance runs, sleeps and ends with the one that it was made in.
    pub(crate) runtime: tokio::runtime::Id,
}

/// The pools that are in use.
#[derive(Default)]
pub(crate) struct Pools(Mutex<HashMap<PoolKey, Weak<Pool>>>);

impl Pools {
    /// The pool of this key, if a chain has it.
    pub(crate) fn get(&self, key: &PoolKey) -> Option<Arc<Pool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key)?.upgrade()
    }

    /// Lets others find this pool, or gives the one that they have found already: two loads may make one at once.
    pub(crate) fn share(&self, key: PoolKey, pool: Arc<Pool>) -> Arc<Pool> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|_, pool| pool.strong_count() > 0);
        let pool = pools.get(&key).and_then(Weak::upgrade).unwrap_or(pool);
        pools.insert(key, Arc::downgrade(&pool));
        pool
    }
}
