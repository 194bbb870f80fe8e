//! What the threads of a server share.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use arcllm::{Host, Model, RequestLog, ServeConfig};
use tokio_util::sync::CancellationToken;

use crate::{
    gateway::{keys::Keys, readiness::Readiness},
    page::page::Page,
    telemetry::{metrics::Metrics, refusals::Refusals},
};

/// A configuration in use.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) host: Host,
    pub(crate) keys: Keys,
    /// Its models. While they are kept, a module whose file changes or is removed is noticed before the first call.
    pub(crate) models: OnceLock<Vec<Model>>,
}

impl Live {
    pub(crate) fn new(host: Host) -> Self {
        let keys = Keys::of(&host.config().serve);
        Self { host, keys, models: OnceLock::new() }
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
    /// How many bytes the bodies of running calls take.
    pub(crate) bodies: Arc<Count>,
    /// How many connections are open.
    pub(crate) connections: Arc<Count>,
    /// How requests are logged.
    pub(crate) log: RequestLog,
    /// Absent where the program has a recorder of its own.
    pub(crate) metrics: Option<Metrics>,
    pub(crate) page: Page,
    pub(crate) refusals: Refusals,
}

impl Shared {
    pub(crate) fn new(host: Host, log: RequestLog, metrics: Option<Metrics>) -> Self {
        let live = ArcSwap::from_pointee(Live::new(host));
        let (readiness, ending, page) = (Readiness::default(), CancellationToken::new(), Page::default());
        let (calls, bodies, connections) = (Arc::default(), Arc::default(), Arc::default());
        let refusals = Refusals::default();
        Self { live, readiness, ending, calls, bodies, connections, log, metrics, page, refusals }
    }

    /// The configuration that new calls use.
    pub(crate) fn live(&self) -> arc_swap::Guard<Arc<Live>> {
        self.live.load()
    }

    /// Makes new calls use another host.
    pub(crate) fn replace(&self, host: Host, models: Vec<Model>) {
        self.live.store(Arc::new(Live { models: models.into(), ..Live::new(host) }));
    }
}

/// Counts things that exist, or their bytes, up to a limit.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Counts one more; `None` if there are `most` of them.
    pub(crate) fn add(self: &Arc<Self>, most: u64) -> Option<Counted> {
        let mut counted = self.none();
        counted.grow(1, most).then_some(counted)
    }

    /// Something that is not counted yet, but can [`grow`](Counted::grow).
    pub(crate) fn none(self: &Arc<Self>) -> Counted {
        Counted { all: self.clone(), counted: 0 }
    }

    /// How many there are.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one of the things counts for, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    all: Arc<Count>,
    counted: u64,
}

impl Counted {
    /// What it counts for.
    pub(crate) fn get(&self) -> u64 {
        self.counted
    }

    /// Counts so many more. Whether they are within the limit for all together. Else they are not counted.
    pub(crate) fn grow(&mut self, by: u64, most: u64) -> bool {
        let fits = self.all.0.fetch_add(by, Ordering::Relaxed).saturating_add(by) <= most;
        match fits {
            true => self.counted += by,
            false => drop(self.all.0.fetch_sub(by, Ordering::Relaxed)),
        }
        fits
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.counted, Ordering::Relaxed);
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
        let mut bytes = count.none();
        assert!(bytes.grow(3, 4) && !bytes.grow(1, 4) && count.get() == 4);
        drop((bytes, two));
        assert_eq!(count.get(), 0);
    }
}
