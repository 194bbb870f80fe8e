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
        Self { store, timeout, failures: Arc::default() }
    }

    fn watch(&self, module: &str, state: Arc<dyn ModuleState>) -> Arc<dyn ModuleState> {
        Arc::new(Watched { state, module: module.into(), timeout: self.timeout, failures: self.failures.clone() })
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
}

impl Watched {
    fn within<'a, T: 'a>(&'a self, doing: BoxFuture<'a, Stored<T>>) -> BoxFuture<'a, Stored<T>> {
        Box::pin(async move {
            let late = |_| {
                let seconds = self.timeout.as_secs_f64();
                Err(StateError::new(format!("the store did not answer in {seconds} s")))
            };
            let done = timeout(self.timeout, doing).await.unwrap_or_else(late);
            // What a module does wrong, its author must mend: it reads the error.
            if let Err(error) = done.as_ref()
                && !error.is_of_module
            {
                self.failures.tell(&self.module, error);
            }
            done
        })
    }
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
        self.within(self.state.get(keys))
    }

    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>, life: Life) -> BoxFuture<'a, Stored<()>> {
        self.within(self.state.set(key, value, life))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Stored<()>> {
        self.within(self.state.delete(key))
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Stored<bool>> {
        self.within(self.state.compare_and_swap(key, current, new))
    }

    fn add<'a>(&'a self, additions: &'a [CounterAddition]) -> BoxFuture<'a, Stored<Added>> {
        self.within(self.state.add(additions))
    }

    fn take<'a>(&'a self, buckets: &'a [Bucket], wait: Duration) -> BoxFuture<'a, Stored<Taken>> {
        self.within(self.state.take(buckets, wait))
    }

    fn lease<'a>(&'a self, key: &'a str, most: u32, lasts: Duration) -> BoxFuture<'a, Stored<Leased>> {
        self.within(self.state.lease(key, most, lasts))
    }

    fn release<'a>(&'a self, key: &'a str, lease: u64) -> BoxFuture<'a, Stored<()>> {
        self.within(self.state.release(key, lease))
    }
}
