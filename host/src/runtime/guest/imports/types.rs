//! `arcllm:llm/types`: requests and responses as handles.

use wasmtime::{
    Result,
    component::{Access, Resource},
};

use crate::{
    adapter::answer::Answer,
    chat::seconds::nanoseconds,
    runtime::{
        guest::{
            bindings::arcllm::llm::types::{
                Attempt, Host, HostRequest, HostRequestWithStore, HostResponse, HostResponseWithStore, Price,
                RequestParts, ResponseParts, Usage,
            },
            convert::{
                attempt::attempt_out,
                price::price_out,
                request::{request_in, request_out},
                response::{response_in, response_out, usage_out},
            },
            handles::{RequestHandle, ResponseHandle},
            store_data::{Imports, StoreData},
        },
        limits::weight::{weight_of_request, weight_of_response},
    },
};

impl Host for StoreData {}
impl HostRequest for StoreData {}
impl HostResponse for StoreData {}

impl HostRequestWithStore<StoreData> for Imports {
    fn parts(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<RequestParts> {
        Ok(request_out(&store.get().table.get(&handle)?.request))
    }

    fn clone(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<RequestHandle>,
    ) -> Result<Resource<RequestHandle>> {
        let table = &mut store.get().table;
        let copy = table.get(&handle)?.clone();
        Ok(table.push(copy)?)
    }

    fn derive(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<RequestHandle>,
        parts: RequestParts,
    ) -> Result<Resource<RequestHandle>> {
        let StoreData { table, memory: growth, .. } = store.get();
        let of = table.get(&handle)?;
        let weight = growth.make(weight_of_request(&parts))?;
        let derived = of.derive(request_in(parts), weight);
        Ok(table.push(derived)?)
    }

    fn provider(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<String> {
        Ok(store.get().table.get(&handle)?.hop.inner.provider().to_owned())
    }

    fn model(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<String> {
        Ok(store.get().table.get(&handle)?.hop.inner.model().to_owned())
    }

    fn remaining(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<Option<u64>> {
        let remaining = store.get().table.get(&handle)?.hop.branch.invoke.remaining();
        Ok(remaining.map(nanoseconds))
    }

    fn attempts(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<RequestHandle>,
        since: u32,
    ) -> Result<Vec<Attempt>> {
        let since = usize::try_from(since).unwrap_or(usize::MAX);
        let attempts = store.get().table.get(&handle)?.hop.branch.invoke.attempts(since);
        Ok(attempts.iter().map(attempt_out).collect())
    }

    fn attempt_count(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<u32> {
        let count = store.get().table.get(&handle)?.hop.branch.invoke.attempt_count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn streamed(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<bool> {
        Ok(store.get().table.get(&handle)?.hop.branch.invoke.streamed)
    }

    fn price(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<RequestHandle>,
        provider: String,
        model: String,
    ) -> Result<Option<Price>> {
        let loader = &store.get().table.get(&handle)?.hop.place.loader;
        Ok(loader.facts(&provider, &model).and_then(|(format, facts)| price_out(format, &facts)))
    }

    fn drop(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<()> {
        store.get().table.delete(handle)?;
        Ok(())
    }
}

impl HostResponseWithStore<StoreData> for Imports {
    fn new(
        mut store: Access<'_, StoreData, Self>,
        request: Resource<RequestHandle>,
        parts: ResponseParts,
    ) -> Result<Resource<ResponseHandle>> {
        // A wrong handle is the guest's fault, even though the request is not needed yet.
        store.get().table.get(&request)?;
        make(store.get(), parts, None)
    }

    fn parts(mut store: Access<'_, StoreData, Self>, handle: Resource<ResponseHandle>) -> Result<ResponseParts> {
        Ok(response_out(store.get().table.get(&handle)?.answer.response()))
    }

    fn derive(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<ResponseHandle>,
        parts: ResponseParts,
    ) -> Result<Resource<ResponseHandle>> {
        let request_id = store.get().table.get(&handle)?.answer.response().request_id.clone();
        make(store.get(), parts, request_id)
    }

    fn usage(mut store: Access<'_, StoreData, Self>, handle: Resource<ResponseHandle>) -> Result<Usage> {
        Ok(usage_out(&store.get().table.get(&handle)?.answer.response().usage))
    }

    fn model(mut store: Access<'_, StoreData, Self>, handle: Resource<ResponseHandle>) -> Result<String> {
        Ok(store.get().table.get(&handle)?.answer.response().model.clone())
    }

    fn provider(mut store: Access<'_, StoreData, Self>, handle: Resource<ResponseHandle>) -> Result<String> {
        Ok(store.get().table.get(&handle)?.answer.response().provider.clone())
    }

    fn drop(mut store: Access<'_, StoreData, Self>, handle: Resource<ResponseHandle>) -> Result<()> {
        store.get().table.delete(handle)?;
        Ok(())
    }
}

/// Makes the handle of an answer that the module made.
fn make(state: &mut StoreData, parts: ResponseParts, request_id: Option<String>) -> Result<Resource<ResponseHandle>> {
    let made = Some(state.memory.make(weight_of_response(&parts))?);
    let answer = Answer::from(response_in(parts, request_id));
    Ok(state.table.push(ResponseHandle { answer, writing: None, _bytes: made })?)
}
