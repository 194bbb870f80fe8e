//! The pools of a host, by what they run. Chains keep them alive.

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
    /// A built-in module has other limits than the same bytes from a file.
    pub(crate) origin: Origin,
    pub(crate) module: String,
    /// The module's settings, as JSON.
    pub(crate) settings: String,
    pub(crate) sandbox: Sandbox,
    /// The Tokio runtime, in which an instance runs, sleeps and ends.
    pub(crate) runtime: tokio::runtime::Id,
}

/// The pools in use.
#[derive(Default)]
pub(crate) struct Pools(Mutex<HashMap<PoolKey, Weak<Pool>>>);

impl Pools {
    /// The pool of this key, if a chain has it.
    pub(crate) fn get(&self, key: &PoolKey) -> Option<Arc<Pool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key)?.upgrade()
    }

    /// Whether no instance of any pool has a call.
    pub(crate) fn are_idle(&self) -> bool {
        let pools: Vec<_> = self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        pools.iter().filter_map(Weak::upgrade).all(|pool| pool.is_idle())
    }

    /// Shares this pool with later loads. Returns the pool of another load that was faster.
    pub(crate) fn share(&self, key: PoolKey, pool: Arc<Pool>) -> Arc<Pool> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|_, pool| pool.strong_count() > 0);
        let pool = pools.get(&key).and_then(Weak::upgrade).unwrap_or(pool);
        pools.insert(key, Arc::downgrade(&pool));
        pool
    }
}
