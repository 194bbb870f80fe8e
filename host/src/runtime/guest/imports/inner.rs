//! `arcllm:llm/llm-provider` as an import: the module's inner.

use std::sync::Arc;

use wasmtime::{
    AsContextMut, Result,
    component::{Access, Accessor, Resource},
};

use crate::{
    adapter::answer::Answer,
    call::upstream::Upstream,
    chat::error::ErrorKind,
    runtime::{
        guest::{
            bindings::arcllm::llm::{
                llm_provider::{Host, HostWithStore},
                types::Error,
            },
            convert::error::error_out,
            handles::{RequestHandle, ResponseHandle},
            hop::Hop,
            store_data::{Imports, StoreData, current_hop},
        },
        instance::error::InstanceError,
        limits::size::size_of_response,
    },
};

impl Host for StoreData {}

impl HostWithStore<StoreData> for Imports {
    fn name(mut store: Access<'_, StoreData, Self>) -> Result<String> {
        let hop = current_hop(store.as_context_mut())?;
        Ok(hop.map(|hop| hop.inner.provider().to_owned()).unwrap_or_default())
    }

    fn validate_config(mut store: Access<'_, StoreData, Self>) -> Result<std::result::Result<(), String>> {
        Ok(validate_config(current_hop(store.as_context_mut())?.as_deref()))
    }

    async fn invoke(
        store: &Accessor<StoreData, Self>,
        handle: Resource<RequestHandle>,
    ) -> Result<std::result::Result<Resource<ResponseHandle>, Error>> {
        // The handle is read before the first await: its slot is reused when the guest goes on.
        let request = store.with(|mut store| store.get().table.delete(handle))?;
        let (hop, answer) = (request.hop.clone(), ask(request, None).await);
        store.with(|mut store| give(store.get(), &hop, answer))
    }
}

/// Asks the inner, or this model, with this request.
pub(crate) async fn ask(handle: RequestHandle, model: Option<Arc<Upstream>>) -> std::result::Result<Answer, ErrorKind> {
    let RequestHandle { request, hop, derived } = handle;
    if let Some(refused) = derived.as_ref().and_then(|derived| derived.refused.clone()) {
        return Err(refused);
    }
    match model {
        None => hop.ask_inner(request).await,
        Some(model) => hop.ask_model(model, request).await,
    }
}

/// Checks that the inner can be asked. The module does not learn the names of files, variables and settings.
pub(crate) fn validate_config(hop: Option<&Hop>) -> std::result::Result<(), String> {
    let hop = hop.ok_or_else(|| "a module has an inner only during a call".to_owned())?;
    hop.inner.validate_config().map_err(|error| {
        let (module, provider) = (&*hop.place.module, hop.inner.provider());
        tracing::info!(target: "arcllm::module", module, provider, "the model of a module cannot be asked: {error}");
        format!("the model of `{provider}` cannot be asked")
    })
}

/// Gives an answer to the guest of this instance.
pub(crate) fn give(
    state: &mut StoreData,
    hop: &Hop,
    answer: std::result::Result<Answer, ErrorKind>,
) -> Result<std::result::Result<Resource<ResponseHandle>, Error>> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(error_out(error))),
    };
    // Reading an answer that is too large would end the instance.
    if let (Some((most, limit)), Answer::Whole(response)) = (state.most_content, &answer) {
        let size = size_of_response(response);
        if size > most {
            return Ok(Err(error_out(
                InstanceError::too_large("answer", size, most, limit)
                    .for_caller(&hop.place.module, hop.inner.provider()),
            )));
        }
    }
    Ok(Ok(state.table.push(ResponseHandle::from(answer))?))
}
