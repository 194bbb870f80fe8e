//! `arcllm:llm/journal`: records that a module appends, with the grant.

use std::sync::Arc;

use wasmtime::{AsContextMut, Result, component::Accessor};

use crate::{
    journal::journal::Entry,
    runtime::guest::{
        bindings::arcllm::llm::journal::{Host, HostWithStore},
        hop::Hop,
        store_data::{Imports, StoreData, current_hop},
    },
};

impl Host for StoreData {}

impl HostWithStore<StoreData> for Imports {
    async fn append(store: &Accessor<StoreData, Self>, record: String) -> Result<std::result::Result<(), String>> {
        let hop = store.with(|mut store| current_hop(store.as_context_mut()))?;
        Ok(append(hop, record).await)
    }
}

/// Appends a record on behalf of this call. One whose call is over is handed over, too: it is the last that the call says.
pub(crate) async fn append(hop: Option<Arc<Hop>>, record: String) -> std::result::Result<(), String> {
    let Some(hop) = hop else { return Err("a record can only be appended during a call".to_owned()) };
    let Some(journal) = hop.place.journal.get() else { return Err("the host has no journal".to_owned()) };
    let mut inside = Vec::new();
    hop.inner.name_modules(&mut inside);
    let entry = Entry::new(hop.place.module.clone(), inside, record).map_err(|error| error.message)?;
    let _waiting = hop.progress.wait();
    tokio::select! {
        biased;
        done = journal.append(entry) => done.map_err(|error| error.message),
        () = hop.over() => Err("the call is over".to_owned()),
    }
}
