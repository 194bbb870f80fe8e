//! A module as one load has it, and what its calls run on: the one thing that a reload exchanges.

use std::sync::Arc;

use arc_swap::ArcSwap;
use metrics::Histogram;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::telemetry::meters::own_time;
use crate::{
    config::sandbox::OnTrap,
    runtime::{guest::component::Origin, instance::pool::Pool},
};

/// A module as one load has it.
pub(crate) struct Link {
    /// Its name in the config.
    pub(crate) module: Arc<str>,
    pub(crate) settings: Map<String, Value>,
    /// What the overrides of the load had to say, for errors that tell where a setting stands.
    pub(crate) asked: Option<Value>,
    /// Where it was loaded, and its instances run.
    pub(crate) runtime: Handle,
    /// The time that the module spends itself.
    pub(crate) own_time: Histogram,
    now: ArcSwap<Current>,
}

/// What the calls of a link run on.
#[derive(Clone)]
pub(crate) enum Current {
    /// These instances, of a component that was found there and has this digest.
    Runs { origin: Origin, digest: String, pool: Arc<Pool> },
    /// Nothing: the module was there, and is not there any more. What becomes of a call then was said for it.
    Removed { origin: Origin, on_trap: OnTrap },
}

impl Link {
    /// A link that is loaded in this Tokio runtime and whose calls run on this.
    pub(crate) fn new(module: &str, settings: Map<String, Value>, asked: Option<Value>, current: Current) -> Self {
        let (module, now) = (module.into(), ArcSwap::from_pointee(current));
        Self { own_time: own_time(&module), module, settings, asked, runtime: Handle::current(), now }
    }

    /// What a call that begins now runs on. Neither locks nor waits.
    pub(crate) fn now(&self) -> Arc<Current> {
        self.now.load_full()
    }

    /// Has new calls run on this. Those under way keep what they have.
    pub(crate) fn exchange(&self, current: Current) {
        self.now.store(Arc::new(current));
    }
}

impl Current {
    /// The instances, if there is anything to run.
    pub(crate) fn pool(&self) -> Option<&Arc<Pool>> {
        match self {
            Current::Runs { pool, .. } => Some(pool),
            Current::Removed { .. } => None,
        }
    }

    /// Whether it is what was found there with this digest.
    pub(crate) fn is(&self, place: &Origin, bytes: &str) -> bool {
        matches!(self, Current::Runs { origin, digest, .. } if origin == place && digest == bytes)
    }
}
