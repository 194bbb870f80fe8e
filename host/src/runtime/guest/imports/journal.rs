//! `arcllm:llm/journal`: records that a module appends, with the grant.

use std::sync::Arc;

use wasmtime::{
    AsContextMut, Result,
    component::{Accessor, Resource},
};

use crate::{
    chat::request::Request,
    journal::{
        asked::asked,
        journal::{Entry, RECORD},
    },
    runtime::guest::{
        bindings::arcllm::llm::journal::{Host, HostWithStore},
        handles::RequestHandle,
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

    async fn append_with_request(
        store: &Accessor<StoreData, Self>,
        record: String,
        handle: Resource<RequestHandle>,
        limit: u32,
    ) -> Result<std::result::Result<(), String>> {
        let (hop, request) = store.with(|mut store| -> Result<_> {
            let request = store.get().table.get(&handle)?.request.clone();
            Ok((current_hop(store.as_context_mut())?, request))
        })?;
        Ok(append(hop, with_content(record, &request, limit)).await)
    }
}

/// Adds what is asked to a record. One that is no object stays none.
pub(crate) fn with_content(record: String, request: &Request, limit: u32) -> String {
    const NAME: &str = "\"content\":";
    let Some(fields) = record.trim_end().strip_suffix('}') else { return record };
    let comma = if fields.trim() == "{" { "" } else { "," };
    let room = RECORD.saturating_sub(record.len() + NAME.len() + comma.len());
    let content = asked(request, room.min(usize::try_from(limit).unwrap_or(usize::MAX)));
    format!("{fields}{comma}{NAME}{content}}}")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::message::Message;

    #[test]
    fn content_becomes_a_member_of_an_object_and_of_nothing_else() {
        let request = Request::new([Message::user("Hi")]);
        let read = |record: &str| {
            let record = with_content(record.to_owned(), &request, 1 << 20);
            Entry::new("m".into(), Vec::new(), record).ok().map(|entry| serde_json::from_str(&entry.record).unwrap())
        };
        let content = serde_json::json!({"messages": request.messages, "tools": []});
        for (record, rest) in [("{}", serde_json::json!({})), (" { \"a\": {} } ", serde_json::json!({"a": {}}))] {
            let mut expected: serde_json::Value = rest;
            expected["content"] = content.clone();
            assert_eq!(read(record), Some(expected), "{record}");
        }
        for wrong in ["", "}", "5", "{\"a\":1}}", "{\"a\":{}", "{\"a\":1,}", "[{}]", "{\"a\":[}", "{\"a\":\"}"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let long = Request::new([Message::user("x".repeat(2 << 20))]);
        let record = format!("{{\"a\":\"{}\"}}", "y".repeat(500_000));
        let record = with_content(record, &long, u32::MAX);
        assert!((900_000..=RECORD).contains(&record.len()), "{}", record.len());
    }
}
