//! A module of a loaded chain, and its current version, which a reload exchanges.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::{
    config::sandbox::OnTrap,
    runtime::{
        guest::{origin::Origin, place::Place},
        instance::pool::Pool,
    },
};

/// A module of a loaded chain.
pub(crate) struct Slot {
    pub(crate) place: Arc<Place>,
    pub(crate) settings: Map<String, Value>,
    /// The overrides of the load. Errors say when a setting comes from them.
    pub(crate) overrides: Option<Value>,
    /// The Tokio runtime of the load. The module's instances run in it.
    pub(crate) runtime: Handle,
    version: ArcSwap<Version>,
}

/// The version of a module that calls run on.
#[derive(Clone)]
pub(crate) enum Version {
    /// Instances of the component with this origin and digest.
    Runs { origin: Origin, digest: String, pool: Arc<Pool> },
    /// Nothing: the module's file was removed. `on_trap` says how calls end, `why` what is there now, such as `FILE does not
    /// exist`.
    Removed { why: String, on_trap: OnTrap },
}

impl Slot {
    /// A slot in the current Tokio runtime.
    pub(crate) fn new(
        place: Arc<Place>,
        settings: Map<String, Value>,
        overrides: Option<Value>,
        version: Version,
    ) -> Self {
        Self { place, settings, overrides, runtime: Handle::current(), version: ArcSwap::from_pointee(version) }
    }

    /// The module's name in the config.
    pub(crate) fn module(&self) -> &Arc<str> {
        &self.place.module
    }

    /// The current version. Neither locks nor waits.
    pub(crate) fn version(&self) -> Arc<Version> {
        self.version.load_full()
    }

    /// Makes new calls run on this version. Calls under way keep theirs.
    pub(crate) fn exchange(&self, version: Version) {
        self.version.store(Arc::new(version));
    }
}

impl Version {
    /// The pool, unless the module was removed.
    pub(crate) fn pool(&self) -> Option<&Arc<Pool>> {
        match self {
            Version::Runs { pool, .. } => Some(pool),
            Version::Removed { .. } => None,
        }
    }

    /// Whether it runs the component with this origin and digest.
    pub(crate) fn is_of(&self, from: &Origin, sha256: &str) -> bool {
        matches!(self, Version::Runs { origin, digest, .. } if origin == from && digest == sha256)
    }
}
