//! `arcllm:llm/llm-provider` as an import: the module's inner.

use wasmtime::{
    AsContextMut, Result,
    component::{Access, Accessor, Resource},
};

use crate::{
    answer::Answer,
    runtime::{
        bindings::arcllm::llm::{
            llm_provider::{Host, HostWithStore},
            types::Error,
        },
        convert::error_out,
        handles::{RequestHandle, ResponseHandle, ask},
        state::{Imports, State, current_hop},
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
        let answer = ask(request, None).await;
        give(store, answer)
    }
}

/// Hands an answer to the guest.
pub(super) fn give(
    store: &Accessor<State, Imports>,
    answer: std::result::Result<Answer, crate::ErrorKind>,
) -> Result<std::result::Result<Resource<ResponseHandle>, Error>> {
    Ok(match answer {
        Ok(answer) => Ok(store.with(|mut store| store.get().table.push(ResponseHandle::from(answer)))?),
        Err(error) => Err(error_out(error)),
    })
}
