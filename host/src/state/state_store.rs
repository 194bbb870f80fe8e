//! Where modules keep what outlives a call.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

use crate::state::operation::{Added, Bucket, CounterAddition, Leased, Life, Taken};

/// What an operation gives.
pub type Stored<T> = Result<T, StateError>;

/// Where modules keep what outlives a call and an instance; see the WIT interface `arcllm:llm/state`.
///
/// [`MemoryStore`](crate::MemoryStore) is for one process. `[state]` of the configuration names a Redis that several share. A store of
/// the program's own is given to [`HostBuilder::state_store`](crate::HostBuilder::state_store); the crate `arcllm-conformance` has the
/// tests that it should pass.
pub trait StateStore: Send + Sync {
    /// What the module of this name in the config keeps, and no other. Called once for each of its instances.
    fn open(&self, module: &str) -> Arc<dyn ModuleState>;

    /// The same, where all of it may have at most this many bytes, keys included. `None` if the store cannot hold a module to
    /// that; a module whose grant has such a limit is then refused.
    fn open_within(&self, _module: &str, _max_bytes: usize) -> Option<Arc<dyn ModuleState>> {
        None
    }
}

/// What one module keeps: values, buckets of tokens and leases, each by key and apart from the others.
///
/// Each operation is one step for everybody who uses the store, in whichever process. The host hands on at most 64 keys at once, refuses
/// keys above 512 bytes and values above 1 MiB, checks what must be above zero, and waits for `state.timeout_seconds` at most. The module
/// reads the errors.
pub trait ModuleState: Send + Sync {
    /// The values of these keys, in their order.
    fn get<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Stored<Vec<Option<Vec<u8>>>>>;

    /// Sets the value of this key, and for how long it is kept.
    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>, life: Life) -> BoxFuture<'a, Stored<()>>;

    /// Removes the value, the bucket and the leases of this key, if they are there.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Stored<()>>;

    /// Sets the value to `new`, without an end, if it is still `current`; `None` means no value. Returns whether it did.
    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Stored<bool>>;

    /// Adds to these counters in their order, or to none of them if one would pass its most. A counter is a value: a whole number
    /// as decimal text. One that is absent counts as zero. Saturates; fails if a value is not a number.
    fn add<'a>(&'a self, additions: &'a [CounterAddition]) -> BoxFuture<'a, Stored<Added>>;

    /// Takes tokens from these buckets, or from none of them if it would take longer than `wait` until all have them.
    fn take<'a>(&'a self, buckets: &'a [Bucket], wait: Duration) -> BoxFuture<'a, Stored<Taken>>;

    /// Takes a lease of this key, of which at most `most` are held at once. It ends by itself after `lasts`.
    fn lease<'a>(&'a self, key: &'a str, most: u32, lasts: Duration) -> BoxFuture<'a, Stored<Leased>>;

    /// Gives a lease back, if it has not ended.
    fn release<'a>(&'a self, key: &'a str, lease: u64) -> BoxFuture<'a, Stored<()>>;
}

/// Why something could not be read or written. A module reads it, so it must hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct StateError {
    /// What went wrong.
    pub message: String,
    /// Whether the module asked for what no store does, such as adding to a text. Then the store has not failed.
    pub is_of_module: bool,
}

impl StateError {
    /// An error of the store that says what went wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_of_module: false }
    }

    /// An error of the module that says what it did wrong.
    pub fn of_module(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_of_module: true }
    }

    /// The error of a counter whose value is something else.
    pub(crate) fn no_number(key: &str) -> Self {
        Self::of_module(format!("the value of `{key}` is not a whole number"))
    }
}
