//! A module as one load has it, and the version of it that runs: the one thing that a reload exchanges.

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

/// A module as one load has it.
pub(crate) struct Slot {
    pub(crate) place: Arc<Place>,
    pub(crate) settings: Map<String, Value>,
    /// The overrides of the load, for errors that tell where a setting stands.
    pub(crate) overrides: Option<Value>,
    /// The Tokio runtime that the module was loaded in, and that its instances run in.
    pub(crate) runtime: Handle,
    version: ArcSwap<Version>,
}

/// What the calls of a module run on.
#[derive(Clone)]
pub(crate) enum Version {
    /// These instances, of a component from this place with this digest.
    Runs { origin: Origin, digest: String, pool: Arc<Pool> },
    /// Nothing. The file of the module was removed, and this is what becomes of its calls.
    Removed { origin: Origin, on_trap: OnTrap },
}

impl Slot {
    /// A module that is loaded in the current Tokio runtime.
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

    /// The version that a call runs on which starts now. Neither locks nor waits.
    pub(crate) fn version(&self) -> Arc<Version> {
        self.version.load_full()
    }

    /// Makes new calls run on this version. Calls under way keep theirs.
    pub(crate) fn exchange(&self, version: Version) {
        self.version.store(Arc::new(version));
    }
}

impl Version {
    /// The instances, if there are any.
    pub(crate) fn pool(&self) -> Option<&Arc<Pool>> {
        match self {
            Version::Runs { pool, .. } => Some(pool),
            Version::Removed { .. } => None,
        }
    }

    /// Whether it is the component from this place with this digest.
    pub(crate) fn is(&self, place: &Origin, bytes: &str) -> bool {
        matches!(self, Version::Runs { origin, digest, .. } if origin == place && digest == bytes)
    }
}
