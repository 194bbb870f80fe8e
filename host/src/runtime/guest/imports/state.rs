//! `arcllm:llm/state`: what a module keeps between calls, with the grant.

use std::{sync::Arc, time::Duration};

use wasmtime::{AsContextMut, Result, component::Accessor};

use crate::{
    runtime::guest::{
        bindings::arcllm::llm::{
            state::{Host, HostWithStore},
            state_types::{self as wit},
        },
        convert::state::{added_out, additions_in, buckets_in, leased_out, life_in, taken_out},
        kept_state::{KeptState, Stored},
        store_data::{Imports, StoreData, current_hop},
    },
    state::operation::Life,
};

impl Host for StoreData {}
impl wit::Host for StoreData {}

impl HostWithStore<StoreData> for Imports {
    async fn get(store: &Accessor<StoreData, Self>, key: String) -> Result<Stored<Option<Vec<u8>>>> {
        Ok(on(store)?.get(vec![key]).await.map(|values| values.into_iter().next().flatten()))
    }

    async fn get_many(store: &Accessor<StoreData, Self>, keys: Vec<String>) -> Result<Stored<Vec<Option<Vec<u8>>>>> {
        Ok(on(store)?.get(keys).await)
    }

    async fn set(store: &Accessor<StoreData, Self>, key: String, value: Vec<u8>) -> Result<Stored<()>> {
        Ok(on(store)?.set(key, value, Life::Forever).await)
    }

    async fn set_for(
        store: &Accessor<StoreData, Self>,
        key: String,
        value: Vec<u8>,
        life: wit::Life,
    ) -> Result<Stored<()>> {
        Ok(on(store)?.set(key, value, life_in(life)).await)
    }

    async fn delete(store: &Accessor<StoreData, Self>, key: String) -> Result<Stored<()>> {
        Ok(on(store)?.delete(key).await)
    }

    async fn increment(store: &Accessor<StoreData, Self>, key: String, delta: i64) -> Result<Stored<i64>> {
        Ok(on(store)?.increment(key, delta).await)
    }

    async fn compare_and_swap(
        store: &Accessor<StoreData, Self>,
        key: String,
        current: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> Result<Stored<bool>> {
        Ok(on(store)?.compare_and_swap(key, current, new).await)
    }

    async fn add(store: &Accessor<StoreData, Self>, additions: Vec<wit::Addition>) -> Result<Stored<wit::Added>> {
        Ok(on(store)?.add(additions_in(additions)).await.map(added_out))
    }

    async fn take(
        store: &Accessor<StoreData, Self>,
        buckets: Vec<wit::Bucket>,
        wait: u64,
    ) -> Result<Stored<wit::Taken>> {
        Ok(on(store)?.take(buckets_in(buckets), Duration::from_nanos(wait)).await.map(taken_out))
    }

    async fn lease(
        store: &Accessor<StoreData, Self>,
        key: String,
        most: u32,
        lasts: u64,
    ) -> Result<Stored<wit::Leased>> {
        Ok(on(store)?.lease(key, most, Duration::from_nanos(lasts)).await.map(leased_out))
    }

    async fn release(store: &Accessor<StoreData, Self>, key: String, lease: u64) -> Result<Stored<()>> {
        Ok(on(store)?.release(key, lease).await)
    }
}

/// What the module keeps, for the call that asks.
fn on(store: &Accessor<StoreData, Imports>) -> Result<KeptState> {
    store.with(|mut store| {
        let hop = current_hop(store.as_context_mut())?;
        Ok(KeptState { state: Arc::clone(&store.get().state), hop })
    })
}
