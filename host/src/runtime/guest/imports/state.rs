//! `arcllm:llm/state`: values that a module keeps between calls, with the grant.

use std::sync::Arc;

use futures::future::BoxFuture;
use wasmtime::{AsContextMut, Result, component::Accessor};

use crate::{
    runtime::guest::{
        bindings::arcllm::llm::state::{Host, HostWithStore},
        hop::Hop,
        store_data::{Imports, StoreData, current_hop},
    },
    state::state_store::{Bucket, StateError},
};

/// The most bytes of a key.
const KEY: usize = 512;
/// The most bytes of a value.
const VALUE: usize = 64 << 10;

/// The result of a function of the store.
type Stored<T> = std::result::Result<T, StateError>;

/// The result as a module gets it.
type StateResult<T> = std::result::Result<T, String>;

impl Host for StoreData {}

impl HostWithStore<StoreData> for Imports {
    async fn get(store: &Accessor<StoreData, Self>, key: String) -> Result<StateResult<Option<Vec<u8>>>> {
        on(store, |bucket| get(bucket, &key)).await
    }

    async fn set(store: &Accessor<StoreData, Self>, key: String, value: Vec<u8>) -> Result<StateResult<()>> {
        on(store, |bucket| set(bucket, &key, value)).await
    }

    async fn delete(store: &Accessor<StoreData, Self>, key: String) -> Result<StateResult<()>> {
        on(store, |bucket| delete(bucket, &key)).await
    }

    async fn increment(store: &Accessor<StoreData, Self>, key: String, delta: i64) -> Result<StateResult<i64>> {
        on(store, |bucket| increment(bucket, &key, delta)).await
    }

    async fn compare_and_swap(
        store: &Accessor<StoreData, Self>,
        key: String,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> Result<StateResult<bool>> {
        on(store, |bucket| compare_and_swap(bucket, &key, current, new)).await
    }
}

/// Uses the module's values. Stops when the call is over.
async fn on<T>(
    store: &Accessor<StoreData, Imports>,
    doing: impl FnOnce(&Arc<dyn Bucket>) -> BoxFuture<'_, Stored<T>>,
) -> Result<StateResult<T>> {
    let (bucket, hop) = store.with(|mut store| {
        let hop = current_hop(store.as_context_mut())?;
        Ok::<_, wasmtime::Error>((store.get().bucket.clone(), hop))
    })?;
    Ok(within(hop.as_deref(), doing(&bucket)).await)
}

/// Waits for `doing`, until the call is over.
pub(crate) async fn within<T>(hop: Option<&Hop>, doing: BoxFuture<'_, Stored<T>>) -> StateResult<T> {
    let for_module = |done: Stored<T>| done.map_err(|error| error.message);
    let Some(hop) = hop else { return for_module(doing.await) };
    let _waiting = hop.progress.wait();
    tokio::select! {
        biased;
        done = doing => for_module(done),
        () = hop.over() => Err("the call is over".to_owned()),
    }
}

pub(crate) fn get<'a>(bucket: &'a Arc<dyn Bucket>, key: &str) -> BoxFuture<'a, Stored<Option<Vec<u8>>>> {
    match check(key, None) {
        Ok(()) => bucket.get(key),
        Err(problem) => refuse(problem),
    }
}

pub(crate) fn set<'a>(bucket: &'a Arc<dyn Bucket>, key: &str, value: Vec<u8>) -> BoxFuture<'a, Stored<()>> {
    match check(key, Some(&value)) {
        Ok(()) => bucket.set(key, value),
        Err(problem) => refuse(problem),
    }
}

pub(crate) fn delete<'a>(bucket: &'a Arc<dyn Bucket>, key: &str) -> BoxFuture<'a, Stored<()>> {
    match check(key, None) {
        Ok(()) => bucket.delete(key),
        Err(problem) => refuse(problem),
    }
}

pub(crate) fn increment<'a>(bucket: &'a Arc<dyn Bucket>, key: &str, delta: i64) -> BoxFuture<'a, Stored<i64>> {
    match check(key, None) {
        Ok(()) => bucket.increment(key, delta),
        Err(problem) => refuse(problem),
    }
}

pub(crate) fn compare_and_swap<'a>(
    bucket: &'a Arc<dyn Bucket>,
    key: &str,
    current: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
) -> BoxFuture<'a, Stored<bool>> {
    match check(key, new.as_deref()) {
        Ok(()) => bucket.compare_and_swap(key, current, new),
        Err(problem) => refuse(problem),
    }
}

fn check(key: &str, value: Option<&[u8]>) -> Stored<()> {
    if key.len() > KEY {
        return Err(StateError::new(format!("a key of {} bytes is longer than {KEY}", key.len())));
    }
    match value.map(<[u8]>::len) {
        Some(length) if length > VALUE => {
            Err(StateError::new(format!("a value of {length} bytes is longer than {VALUE}")))
        }
        _ => Ok(()),
    }
}

fn refuse<'a, T: Send + 'a>(problem: StateError) -> BoxFuture<'a, Stored<T>> {
    Box::pin(std::future::ready(Err(problem)))
}
