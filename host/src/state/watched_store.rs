//! A store whose operations end in time, and whose failures are told.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};

use crate::{
    state::{
        health::Health,
        operation::{Added, Bucket, CounterAddition, Leased, Life, Taken},
        state_store::{ModuleState, StateError, StateStore, Stored},
    },
    telemetry::meters::count_state_failure,
};

/// How often the log tells that a store fails.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// A store that may be slow or fail, such as one on another machine.
pub(crate) struct WatchedStore {
    store: Arc<dyn StateStore>,
    timeout: Duration,
    failures: Arc<Failures>,
    health: Arc<Health>,
}

/// The failures of a store that the log has not told.
#[derive(Default)]
struct Failures {
    count: AtomicU64,
    told: Mutex<Option<Instant>>,
}

impl WatchedStore {
    /// Each operation of this store fails after this time.
    pub(crate) fn new(store: Arc<dyn StateStore>, timeout: Duration) -> Self {
        Self { store, timeout, failures: Arc::default(), health: Arc::default() }
    }

    fn watch(&self, module: &str, state: Arc<dyn ModuleState>) -> Arc<dyn ModuleState> {
        let (failures, health) = (self.failures.clone(), self.health.clone());
        Arc::new(Watched { state, module: module.into(), timeout: self.timeout, failures, health })
    }
}

impl StateStore for WatchedStore {
    fn open(&self, module: &str) -> Arc<dyn ModuleState> {
        self.watch(module, self.store.open(module))
    }

    fn open_within(&self, module: &str, max_bytes: usize) -> Option<Arc<dyn ModuleState>> {
        Some(self.watch(module, self.store.open_within(module, max_bytes)?))
    }
}

struct Watched {
    state: Arc<dyn ModuleState>,
    module: Arc<str>,
    timeout: Duration,
    failures: Arc<Failures>,
    health: Arc<Health>,
}

impl Watched {
    /// Does this in time, unless the store is down.
    fn within<'a, T: 'a>(
        &'a self,
        doing: impl FnOnce() -> BoxFuture<'a, Stored<T>> + Send + 'a,
    ) -> BoxFuture<'a, Stored<T>> {
        Box::pin(async move {
            let late = |_| {
                let seconds = self.timeout.as_secs_f64();
                Err(StateError::new(format!("the store did not answer in {seconds} s")))
            };
            let done = match self.health.check() {
                Ok(()) => {
                    let done = timeout(self.timeout, doing()).await.unwrap_or_else(late);
                    match is_failure(&done) {
                        true => self.health.fails(),
                        false => self.health.works(),
                    }
                    done
                }
                Err(error) => Err(error),
            };
            if let Err(error) = done.as_ref()
                && is_failure(&done)
            {
                self.failures.tell(&self.module, error);
            }
            done
        })
    }
}

/// Whether the store has failed. What a module does wrong, its author must mend: it reads the error.
fn is_failure<T>(done: &Stored<T>) -> bool {
    done.as_ref().is_err_and(|error| !error.is_of_module)
}

impl Failures {
    /// Counts a failure, and tells of it and of those before it if that has not been for a while.
    fn tell(&self, module: &Arc<str>, error: &StateError) {
        count_state_failure(module);
        let failures = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| now.duration_since(told) < TOLD_EVERY) {
            return;
        }
        *told = Some(now);
        self.count.store(0, Ordering::Relaxed);
        tracing::warn!(
            target: "arcllm::state",
            module = &**module,
            failures,
            "the state store fails, and modules act on their `on_store_failure`: {error}",
        );
    }
}

impl ModuleState for Watched {
    fn get<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Stored<Vec<Option<Vec<u8>>>>> {
        self.within(move || self.state.get(keys))
    }

    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>, life: Life) -> BoxFuture<'a, Stored<()>> {
        self.within(move || self.state.set(key, value, life))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Stored<()>> {
        self.within(move || self.state.delete(key))
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Stored<bool>> {
        self.within(move || self.state.compare_and_swap(key, current, new))
    }

    fn add<'a>(&'a self, additions: &'a [CounterAddition]) -> BoxFuture<'a, Stored<Added>> {
        self.within(move || self.state.add(additions))
    }

    fn take<'a>(&'a self, buckets: &'a [Bucket], wait: Duration) -> BoxFuture<'a, Stored<Taken>> {
        self.within(move || self.state.take(buckets, wait))
    }

    fn lease<'a>(&'a self, key: &'a str, most: u32, lasts: Duration) -> BoxFuture<'a, Stored<Leased>> {
        self.within(move || self.state.lease(key, most, lasts))
    }

    fn release<'a>(&'a self, key: &'a str, lease: u64) -> BoxFuture<'a, Stored<()>> {
        self.within(move || self.state.release(key, lease))
    }
}
