//! A state store as it would be on another machine: it yields before it acts, or fails.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arcllm::{
    Added, Bucket, CounterAddition, Leased, Life, MemoryStore, ModuleState, StateError, StateStore, Stored, Taken,
};
use futures::future::BoxFuture;

/// The value that a module keeps under this key, as text.
pub(crate) async fn kept(store: &dyn StateStore, module: &str, key: &str) -> Option<String> {
    let mut values = store.open(module).get(&[key.to_owned()]).await.unwrap();
    values.remove(0).map(|value| String::from_utf8(value).unwrap())
}

/// What a store does before it does as it is asked.
#[derive(Clone, Copy)]
pub(crate) enum Odd {
    Yields,
    Fails,
    Hangs,
}

/// A store that other tasks can overtake, as one on another machine. It keeps its values in memory.
pub(crate) struct Elsewhere {
    odd: Arc<Mutex<Odd>>,
    memory: MemoryStore,
    operations: Arc<AtomicUsize>,
}

struct Far {
    odd: Arc<Mutex<Odd>>,
    state: Arc<dyn ModuleState>,
    operations: Arc<AtomicUsize>,
}

impl Elsewhere {
    pub(crate) fn new(odd: Odd) -> Arc<Self> {
        Arc::new(Self { odd: Arc::new(Mutex::new(odd)), memory: MemoryStore::default(), operations: Arc::default() })
    }

    /// From now on it does this.
    pub(crate) fn becomes(&self, odd: Odd) {
        *self.odd.lock().unwrap() = odd;
    }

    /// How often it was asked to do something.
    pub(crate) fn operations(&self) -> usize {
        self.operations.load(Ordering::SeqCst)
    }
}

impl StateStore for Elsewhere {
    fn open(&self, module: &str) -> Arc<dyn ModuleState> {
        let (odd, operations) = (self.odd.clone(), self.operations.clone());
        Arc::new(Far { odd, state: self.memory.open(module), operations })
    }
}

impl Far {
    fn after<'a, T: Send + 'a>(&self, doing: BoxFuture<'a, Stored<T>>) -> BoxFuture<'a, Stored<T>> {
        self.operations.fetch_add(1, Ordering::SeqCst);
        let odd = *self.odd.lock().unwrap();
        Box::pin(async move {
            tokio::task::yield_now().await;
            match odd {
                Odd::Yields => doing.await,
                Odd::Fails => Err(StateError::new("it is gone")),
                Odd::Hangs => std::future::pending().await,
            }
        })
    }
}

impl ModuleState for Far {
    fn get<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Stored<Vec<Option<Vec<u8>>>>> {
        self.after(Box::pin(async move { self.state.get(keys).await }))
    }

    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>, life: Life) -> BoxFuture<'a, Stored<()>> {
        self.after(Box::pin(async move { self.state.set(key, value, life).await }))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Stored<()>> {
        self.after(Box::pin(async move { self.state.delete(key).await }))
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Stored<bool>> {
        self.after(Box::pin(async move { self.state.compare_and_swap(key, current, new).await }))
    }

    fn add<'a>(&'a self, additions: &'a [CounterAddition]) -> BoxFuture<'a, Stored<Added>> {
        self.after(Box::pin(async move { self.state.add(additions).await }))
    }

    fn take<'a>(&'a self, buckets: &'a [Bucket], wait: Duration) -> BoxFuture<'a, Stored<Taken>> {
        self.after(Box::pin(async move { self.state.take(buckets, wait).await }))
    }

    fn lease<'a>(&'a self, key: &'a str, most: u32, lasts: Duration) -> BoxFuture<'a, Stored<Leased>> {
        self.after(Box::pin(async move { self.state.lease(key, most, lasts).await }))
    }

    fn release<'a>(&'a self, key: &'a str, lease: u64) -> BoxFuture<'a, Stored<()>> {
        self.after(Box::pin(async move { self.state.release(key, lease).await }))
    }
}
