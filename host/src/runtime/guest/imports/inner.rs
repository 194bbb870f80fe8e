//! `arcllm:llm/llm-provider` as an import: the module's inner.

use wasmtime::{
    AsContextMut, Result,
    component::{Access, Accessor, Resource},
};

use crate::{
    adapter::answer::Answer,
    chat::error::ErrorKind,
    runtime::{
        guest::{
            bindings::arcllm::llm::{
                llm_provider::{Host, HostWithStore},
                types::Error,
            },
            convert::error::error_out,
            handles::{Hop, RequestHandle, ResponseHandle, ask},
            state::{Imports, State, current_hop},
        },
        instance::failed::Failed,
        limits::size::size_of_response,
    },
};

impl Host for State {}

impl HostWithStore<State> for Imports {
    fn name(mut store: Access<'_, State, Self>) -> Result<String> {
        let hop = current_hop(store.as_context_mut())?;
        Ok(hop.map(|hop| hop.place.inner.name().to_owned()).unwrap_or_default())
    }

    fn validate_config(mut store: Access<'_, State, Self>) -> Result<std::result::Result<(), String>> {
        Ok(match current_hop(store.as_context_mut())? {
            Some(hop) => hop.place.inner.validate_config(),
            None => Err("there is no inner outside of a call".to_owned()),
        })
    }

    async fn invoke(
        store: &Accessor<State, Self>,
        handle: Resource<RequestHandle>,
    ) -> Result<std::result::Result<Resource<ResponseHandle>, Error>> {
        // The handle is read before the first await: its slot is reused as soon as the guest goes on.
        let request = store.with(|mut store| store.get().table.delete(handle))?;
        let (hop, answer) = (request.hop.clone(), ask(request, None).await);
        store.with(|mut store| give(store.get(), &hop, answer))
    }
}

/// Hands an answer to the guest of this instance.
pub(crate) fn give(
    state: &mut State,
    hop: &Hop,
    answer: std::result::Result<Answer, ErrorKind>,
) -> Result<std::result::Result<Resource<ResponseHandle>, Error>> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(error_out(error))),
    };
    // Looking into one that is too large would end the instance.
    if let (Some((most, limit)), Answer::Whole(response)) = (state.most_content, &answer) {
        let size = size_of_response(response);
        if size > most {
            return Ok(Err(error_out(Failed::too_large("answer", size, most, limit).error(&hop.place))));
        }
    }
    Ok(Ok(state.table.push(ResponseHandle::from(answer))?))
}
