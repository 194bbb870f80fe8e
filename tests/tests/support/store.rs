//! A state store as it would be on another machine: it yields before it acts, or fails.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arcllm::{Bucket, MemoryStore, StateError, StateStore};
use futures::future::BoxFuture;

/// What a store does before it does as it is asked.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Odd {
    Yields,
    Fails,
}

/// A store that other tasks can overtake, as one on another machine. It keeps its values in memory.
pub(crate) struct Elsewhere {
    odd: Odd,
    memory: MemoryStore,
    operations: Arc<AtomicUsize>,
}

struct Far {
    odd: Odd,
    bucket: Arc<dyn Bucket>,
    operations: Arc<AtomicUsize>,
}

impl Elsewhere {
    pub(crate) fn new(odd: Odd) -> Arc<Self> {
        Arc::new(Self { odd, memory: MemoryStore::default(), operations: Arc::default() })
    }

    /// How often it was asked to do something.
    pub(crate) fn operations(&self) -> usize {
        self.operations.load(Ordering::SeqCst)
    }
}

impl StateStore for Elsewhere {
    fn open(&self, module: &str) -> Arc<dyn Bucket> {
        Arc::new(Far { odd: self.odd, bucket: self.memory.open(module), operations: self.operations.clone() })
    }
}

impl Far {
    fn after<'a, T: Send + 'a>(
        &self,
        doing: BoxFuture<'a, Result<T, StateError>>,
    ) -> BoxFuture<'a, Result<T, StateError>> {
        self.operations.fetch_add(1, Ordering::SeqCst);
        let odd = self.odd;
        Box::pin(async move {
            tokio::task::yield_now().await;
            if odd == Odd::Fails { Err(StateError::new("it is gone")) } else { doing.await }
        })
    }
}

impl Bucket for Far {
    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, StateError>> {
        let key = key.to_owned();
        self.after(Box::pin(async move { self.bucket.get(&key).await }))
    }

    fn set(&self, key: &str, value: Vec<u8>) -> BoxFuture<'_, Result<(), StateError>> {
        let key = key.to_owned();
        self.after(Box::pin(async move { self.bucket.set(&key, value).await }))
    }

    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), StateError>> {
        let key = key.to_owned();
        self.after(Box::pin(async move { self.bucket.delete(&key).await }))
    }

    fn increment(&self, key: &str, delta: i64) -> BoxFuture<'_, Result<i64, StateError>> {
        let key = key.to_owned();
        self.after(Box::pin(async move { self.bucket.increment(&key, delta).await }))
    }

    fn compare_and_swap(
        &self,
        key: &str,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> BoxFuture<'_, Result<bool, StateError>> {
        let key = key.to_owned();
        self.after(Box::pin(async move { self.bucket.compare_and_swap(&key, current, new).await }))
    }
}
