//! What the threads of a server share.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use arcllm::{Host, ServeConfig};
use tokio_util::sync::CancellationToken;

use crate::{
    gateway::{keys::Keys, readiness::Readiness},
    page::page::Page,
    telemetry::{log::Log, metrics::Metrics},
};

/// A configuration in use.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) host: Host,
    pub(crate) keys: Keys,
}

impl Live {
    pub(crate) fn new(host: Host) -> Self {
        let keys = Keys::of(&host.config().serve);
        Self { host, keys }
    }

    /// Its `[serve]`.
    pub(crate) fn config(&self) -> &ServeConfig {
        &self.host.config().serve
    }
}

/// What the threads of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    live: ArcSwap<Live>,
    pub(crate) readiness: Readiness,
    /// Cancelled when the calls that still run are cut off.
    pub(crate) ending: CancellationToken,
    /// How many calls run.
    pub(crate) calls: Arc<Count>,
    /// How many connections are open.
    pub(crate) connections: Arc<Count>,
    pub(crate) log: Log,
    /// Absent where the program has a recorder of its own.
    pub(crate) metrics: Option<Metrics>,
    pub(crate) page: Page,
}

impl Shared {
    pub(crate) fn new(host: Host, log: Log, metrics: Option<Metrics>) -> Self {
        let live = ArcSwap::from_pointee(Live::new(host));
        let (readiness, calls, connections) = (Readiness::default(), Arc::default(), Arc::default());
        let ending = CancellationToken::new();
        Self { live, readiness, ending, calls, connections, log, metrics, page: Page::default() }
    }

    /// The configuration that new calls use.
    pub(crate) fn live(&self) -> arc_swap::Guard<Arc<Live>> {
        self.live.load()
    }

    /// Makes new calls use another host.
    pub(crate) fn replace(&self, host: Host) {
        self.live.store(Arc::new(Live::new(host)));
    }
}

/// Counts things that exist, up to a limit.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Counts one more; `None` if there are `most` of them.
    pub(crate) fn add(self: &Arc<Self>, most: u64) -> Option<Counted> {
        let counted = Counted(self.clone());
        (self.0.fetch_add(1, Ordering::Relaxed) < most).then_some(counted)
    }

    /// How many there are.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of the things that are counted.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Count>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_the_limit() {
        let count = Arc::<Count>::default();
        let one = count.add(2).unwrap();
        let two = count.add(2);
        assert!(two.is_some() && count.add(2).is_none());
        drop(one);
        assert_eq!(count.get(), 1);
        assert!(count.add(2).is_some());
    }
}
