//! What modules keep from one call to the next.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::future::{BoxFuture, ready};

/// The most values that a module keeps in memory.
const VALUES: usize = 100_000;

/// The most bytes that these have together, keys included.
const BYTES: usize = 64 << 20;

/// How many locks the values of a module are spread over.
const SHARDS: usize = 16;

/// Where modules keep what outlives a call and an instance; see the WIT interface `arcllm:llm/state`.
///
/// [`MemoryStore`] is for one process. A store that several processes share is given to
/// [`HostBuilder::state_store`](crate::HostBuilder::state_store).
pub trait StateStore: Send + Sync {
    /// The values of the module of this name in the config, and of no other. Called once for each of its instances.
    fn open(&self, module: &str) -> Arc<dyn Bucket>;

    /// The same, where the values may have at most this many bytes together, keys included. `None` if the store cannot hold a
    /// module to that; a module whose grant has such a limit is then refused.
    fn open_within(&self, _module: &str, _max_bytes: usize) -> Option<Arc<dyn Bucket>> {
        None
    }
}

/// The values of one module, by key. The host refuses values above 64 KiB and keys above 512 bytes.
///
/// The module reads its errors.
pub trait Bucket: Send + Sync {
    /// The value of this key.
    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, StateError>>;

    /// Sets the value of this key.
    fn set(&self, key: &str, value: Vec<u8>) -> BoxFuture<'_, Result<(), StateError>>;

    /// Removes this key, if it is there.
    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), StateError>>;

    /// Adds to a whole number, kept as decimal text, and returns the sum. One that is absent counts as zero. Saturates; fails
    /// if the value is not a number.
    fn increment(&self, key: &str, delta: i64) -> BoxFuture<'_, Result<i64, StateError>>;

    /// Sets the value to `new` if it is still `current`; `None` means no value. Returns whether it did.
    fn compare_and_swap(
        &self,
        key: &str,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> BoxFuture<'_, Result<bool, StateError>>;
}

/// Why a value could not be read or written. A module reads it, so it must hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct StateError {
    /// What went wrong.
    pub message: String,
}

impl StateError {
    /// An error that says what went wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Keeps values in memory: of each module at most 100,000, which have 64 MiB together, or what its grant says, keys included.
/// Clones share them.
#[derive(Clone, Default)]
pub struct MemoryStore {
    modules: Arc<Mutex<HashMap<String, Arc<Values>>>>,
}

impl MemoryStore {
    /// The one that all hosts of the process share unless they are given another.
    pub(crate) fn of_process() -> Self {
        static STORE: std::sync::OnceLock<MemoryStore> = std::sync::OnceLock::new();
        STORE.get_or_init(Self::default).clone()
    }
}

impl StateStore for MemoryStore {
    fn open(&self, module: &str) -> Arc<dyn Bucket> {
        Arc::new(Room { values: self.values(module), most: BYTES })
    }

    fn open_within(&self, module: &str, max_bytes: usize) -> Option<Arc<dyn Bucket>> {
        Some(Arc::new(Room { values: self.values(module), most: max_bytes }))
    }
}

impl MemoryStore {
    fn values(&self, module: &str) -> Arc<Values> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a module that keeps nothing and has no instance there is nothing to remember.
        modules.retain(|_, values| Arc::strong_count(values) > 1 || values.count.load(Ordering::Relaxed) > 0);
        modules.entry(module.to_owned()).or_default().clone()
    }
}

/// The values of one module, and the most bytes that they may have together.
struct Room {
    values: Arc<Values>,
    most: usize,
}

/// The values of one module. Several locks, so that calls seldom wait for one another.
#[derive(Default)]
struct Values {
    shards: [Mutex<HashMap<String, Vec<u8>>>; SHARDS],
    hasher: RandomState,
    count: AtomicUsize,
    bytes: AtomicUsize,
}

impl Values {
    fn shard(&self, key: &str) -> MutexGuard<'_, HashMap<String, Vec<u8>>> {
        let at = usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % SHARDS;
        // There is one of each number below `SHARDS`; the first stands in for what cannot be.
        let [first, ..] = &self.shards;
        self.shards.get(at).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the value of a key by what is made of it, unless that is an error or the values become larger than `most`.
    fn change<T>(
        &self,
        most: usize,
        key: &str,
        change: impl FnOnce(Option<&[u8]>) -> Result<(Change, T), StateError>,
    ) -> Result<T, StateError> {
        let mut values = self.shard(key);
        match values.entry(key.to_owned()) {
            Entry::Occupied(mut entry) => {
                let (change, told) = change(Some(entry.get()))?;
                match change {
                    Change::Keep => {}
                    Change::To(value) => {
                        self.take_room(most, entry.get().len(), value.len())?;
                        entry.insert(value);
                    }
                    Change::Remove => {
                        let value = entry.remove();
                        self.count.fetch_sub(1, Ordering::Relaxed);
                        self.bytes.fetch_sub(key.len() + value.len(), Ordering::Relaxed);
                    }
                }
                Ok(told)
            }
            Entry::Vacant(entry) => {
                let (change, told) = change(None)?;
                if let Change::To(value) = change {
                    self.take_room(most, 0, key.len() + value.len())?;
                    if self.count.fetch_add(1, Ordering::Relaxed) >= VALUES {
                        self.count.fetch_sub(1, Ordering::Relaxed);
                        self.bytes.fetch_sub(key.len() + value.len(), Ordering::Relaxed);
                        return Err(StateError::new(format!(
                            "the module keeps {VALUES} values already, which is the most"
                        )));
                    }
                    entry.insert(value);
                }
                Ok(told)
            }
        }
    }

    /// Makes room for what replaces something of another length, unless it grows above the most. Counted over all shards
    /// without a lock for all of them.
    fn take_room(&self, most: usize, before: usize, after: usize) -> Result<(), StateError> {
        let bytes = self.bytes.fetch_add(after, Ordering::Relaxed) + after;
        if after > before && bytes - before > most {
            self.bytes.fetch_sub(after, Ordering::Relaxed);
            let most = most >> 20;
            return Err(StateError::new(format!(
                "the values of the module would have more than {most} MiB together, which is the most"
            )));
        }
        self.bytes.fetch_sub(before, Ordering::Relaxed);
        Ok(())
    }
}

/// What becomes of a value.
enum Change {
    Keep,
    To(Vec<u8>),
    Remove,
}

impl Bucket for Room {
    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, StateError>> {
        Box::pin(ready(Ok(self.values.shard(key).get(key).cloned())))
    }

    fn set(&self, key: &str, value: Vec<u8>) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(ready(self.values.change(self.most, key, |_| Ok((Change::To(value), ())))))
    }

    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), StateError>> {
        Box::pin(ready(self.values.change(self.most, key, |_| Ok((Change::Remove, ())))))
    }

    fn increment(&self, key: &str, delta: i64) -> BoxFuture<'_, Result<i64, StateError>> {
        Box::pin(ready(self.values.change(self.most, key, |value| {
            let number = value.map_or(Some(0), |value| std::str::from_utf8(value).ok()?.parse::<i64>().ok());
            let number =
                number.ok_or_else(|| StateError::new("the value is not a whole number"))?.saturating_add(delta);
            Ok((Change::To(number.to_string().into_bytes()), number))
        })))
    }

    fn compare_and_swap(
        &self,
        key: &str,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> BoxFuture<'_, Result<bool, StateError>> {
        Box::pin(ready(self.values.change(self.most, key, |value| {
            Ok(if value == current.as_deref() {
                (new.map_or(Change::Remove, Change::To), true)
            } else {
                (Change::Keep, false)
            })
        })))
    }
}

#[cfg(test)]
mod tests;
