//! The last good version of each module.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    assembly::prepared::PreparedModule,
    runtime::{instance::pool::Pool, slot::Version},
};

/// The last good version of each module, by name. A load uses it again while the file is the same, or if a newer file does
/// not load.
#[derive(Default)]
pub(crate) struct GoodVersions(Mutex<HashMap<String, GoodVersion>>);

struct GoodVersion {
    prepared: Arc<PreparedModule>,
    /// Kept alive for programs that load a model for each call.
    _pool: Option<Arc<Pool>>,
}

impl GoodVersions {
    /// The last good version of a module.
    pub(crate) fn get(&self, module: &str) -> Option<Arc<PreparedModule>> {
        self.lock().get(module).map(|version| version.prepared.clone())
    }

    /// Keeps this as the last good version of a module.
    pub(crate) fn keep(&self, module: &str, prepared: Arc<PreparedModule>, version: &Version) {
        let good = GoodVersion { prepared, _pool: version.pool().cloned() };
        // Dropped without the lock, since the last of a pool ends its instances.
        let before = self.lock().insert(module.to_owned(), good);
        drop(before);
    }

    /// Forgets the last good version of a module.
    pub(crate) fn forget(&self, module: &str) {
        let before = self.lock().remove(module);
        drop(before);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, GoodVersion>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
