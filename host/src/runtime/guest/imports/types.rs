//! `arcllm:llm/types`: requests and responses as handles.

use std::sync::Arc;

use wasmtime::{
    Result,
    component::{Access, Resource},
};

use crate::{
    adapter::answer::Answer,
    chat::{
        content::ContentBlock,
        digest::digest_of,
        original::KeptOriginal,
        request::Request,
        response::Response,
        seconds::nanoseconds,
        size::{RequestSize, last_user_text},
    },
    runtime::{
        guest::{
            bindings::arcllm::llm::types::{
                self as wit, Attempt, Host, HostRequest, HostRequestWithStore, HostResponse, HostResponseWithStore,
                Options, RequestParts, ResponseParts, Usage,
            },
            convert::{
                attempt::attempt_out,
                facts::{facts_out, size_out},
                request::{options_in, options_out, request_in, request_out},
                response::{response_in, response_out, stop_reason_out, usage_out},
            },
            handles::{RequestHandle, ResponseHandle},
            store_data::{Imports, StoreData},
        },
        limits::{
            size::size_of_request,
            weight::{weight_of_options, weight_of_request, weight_of_response},
        },
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
        // Its headers still go to providers of the same format.
        let original = of.request.original.changed();
        let derived = of.derive(Arc::new(Request { original, ..request_in(parts) }), weight);
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
        let attempts = store.get().table.get(&handle)?.hop.attempts(since);
        Ok(attempts.iter().map(attempt_out).collect())
    }

    fn attempt_count(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<u32> {
        let count = store.get().table.get(&handle)?.hop.attempt_count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn streamed(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<bool> {
        Ok(store.get().table.get(&handle)?.hop.branch.invoke.streamed)
    }

    fn options(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<Options> {
        Ok(options_out(&store.get().table.get(&handle)?.request.options))
    }

    fn with_options(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<RequestHandle>,
        options: Options,
    ) -> Result<Resource<RequestHandle>> {
        let StoreData { table, memory: growth, .. } = store.get();
        let of = table.get(&handle)?;
        // The host copies the conversation.
        let weight = growth.make(weight_of_options(&options) + size_of_request(&of.request))?;
        let options = options_in(options);
        let derived = of.derive(of.request.clone().change_options(|before| *before = options), weight);
        Ok(table.push(derived)?)
    }

    fn label(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<RequestHandle>,
        key: String,
    ) -> Result<Option<String>> {
        Ok(store.get().table.get(&handle)?.request.options.labels.get(&key).cloned())
    }

    fn size(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<wit::RequestSize> {
        Ok(size_out(&RequestSize::of(&store.get().table.get(&handle)?.request)))
    }

    fn digest(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>) -> Result<String> {
        Ok(digest_of(&store.get().table.get(&handle)?.request))
    }

    fn last_user_text(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<RequestHandle>,
        limit: u32,
    ) -> Result<Option<String>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(last_user_text(&store.get().table.get(&handle)?.request, limit))
    }

    fn facts(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<RequestHandle>,
        name: String,
    ) -> Result<Option<wit::ModelFacts>> {
        let loader = &store.get().table.get(&handle)?.hop.place.loader;
        Ok(loader.facts(&name).as_ref().map(facts_out))
    }

    fn note(mut store: Access<'_, StoreData, Self>, handle: Resource<RequestHandle>, text: String) -> Result<()> {
        let hop = &store.get().table.get(&handle)?.hop;
        hop.branch.invoke.note(&hop.place.module, &text);
        Ok(())
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
        make(store.get(), parts, None, KeptOriginal::default())
    }

    fn parts(mut store: Access<'_, StoreData, Self>, handle: Resource<ResponseHandle>) -> Result<ResponseParts> {
        Ok(response_out(store.get().table.get(&handle)?.answer.response()))
    }

    fn derive(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<ResponseHandle>,
        parts: ResponseParts,
    ) -> Result<Resource<ResponseHandle>> {
        let given = store.get().table.get(&handle)?.answer.response();
        let (request_id, original) = (given.request_id.clone(), given.original.changed());
        make(store.get(), parts, request_id, original)
    }

    fn usage(mut store: Access<'_, StoreData, Self>, handle: Resource<ResponseHandle>) -> Result<Usage> {
        Ok(usage_out(&store.get().table.get(&handle)?.answer.response().usage))
    }

    fn is_whole(mut store: Access<'_, StoreData, Self>, handle: Resource<ResponseHandle>) -> Result<bool> {
        Ok(matches!(store.get().table.get(&handle)?.answer, Answer::Whole(_)))
    }

    fn stop_reason(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<ResponseHandle>,
    ) -> Result<Option<wit::StopReason>> {
        Ok(match &store.get().table.get(&handle)?.answer {
            Answer::Whole(response) => Some(stop_reason_out(&response.stop_reason)),
            Answer::Stream { .. } => None,
        })
    }

    fn size(
        mut store: Access<'_, StoreData, Self>,
        handle: Resource<ResponseHandle>,
    ) -> Result<Option<wit::ResponseSize>> {
        Ok(match &store.get().table.get(&handle)?.answer {
            Answer::Whole(response) => Some(size_of(response)),
            Answer::Stream { .. } => None,
        })
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

fn size_of(response: &Response) -> wit::ResponseSize {
    let mut size = wit::ResponseSize { text_bytes: 0, tool_calls: 0, extensions: Vec::new() };
    for block in &response.content {
        match block {
            ContentBlock::Text(block) => size.text_bytes += block.text.len() as u64,
            ContentBlock::ToolUse(_) => size.tool_calls = size.tool_calls.saturating_add(1),
            ContentBlock::Image(_)
            | ContentBlock::Document(_)
            | ContentBlock::Audio(_)
            | ContentBlock::ToolResult(_)
            | ContentBlock::Thinking(_)
            | ContentBlock::Other(_) => {}
        }
    }
    size
}

/// Makes the handle of an answer that the module made. `original` is that of the answer that it was made from.
fn make(
    state: &mut StoreData,
    parts: ResponseParts,
    request_id: Option<String>,
    original: KeptOriginal,
) -> Result<Resource<ResponseHandle>> {
    let made = Some(state.memory.make(weight_of_response(&parts))?);
    let answer = Answer::from(Response { original, ..response_in(parts, request_id) });
    Ok(state.table.push(ResponseHandle { answer, writing: None, ending: None, _bytes: made })?)
}
