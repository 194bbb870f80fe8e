//! `arcllm:llm/models`: other models, for modules that have the grant.

use wasmtime::{
    Result,
    component::{Access, Accessor, Resource},
};

use crate::runtime::guest::{
    bindings::arcllm::llm::{
        models::{Host, HostModel, HostModelWithStore, HostWithStore},
        types::Error,
    },
    convert::error::error_out,
    handles::{ModelHandle, RequestHandle, ResponseHandle, ask},
    imports::inner::give,
    state::{Imports, State},
};

impl Host for State {}
impl HostModel for State {}

impl HostWithStore<State> for Imports {
    async fn load(
        store: &Accessor<State, Self>,
        request: Resource<RequestHandle>,
        provider: String,
    ) -> Result<std::result::Result<Resource<ModelHandle>, Error>> {
        let hop = store.with(|mut store| store.get().table.get(&request).map(|handle| handle.hop.clone()))?;
        if hop.is_cancelled() {
            return Ok(Err(error_out(hop.invoke.over())));
        }
        Ok(match hop.place.loader.load(&provider) {
            Ok(model) => Ok(store.with(|mut store| store.get().table.push(ModelHandle { model }))?),
            Err(error) => Err(error_out(hop.invoke.unavailable(&hop.place.module, &provider, error))),
        })
    }
}

impl HostModelWithStore<State> for Imports {
    fn provider(mut store: Access<'_, State, Self>, handle: Resource<ModelHandle>) -> Result<String> {
        Ok(store.get().table.get(&handle)?.model.name().to_owned())
    }

    fn name(mut store: Access<'_, State, Self>, handle: Resource<ModelHandle>) -> Result<String> {
        Ok(store.get().table.get(&handle)?.model.model().to_owned())
    }

    async fn invoke(
        store: &Accessor<State, Self>,
        handle: Resource<ModelHandle>,
        request: Resource<RequestHandle>,
    ) -> Result<std::result::Result<Resource<ResponseHandle>, Error>> {
        let (model, request) = store.with(|mut store| {
            let table = &mut store.get().table;
            let model = table.get(&handle)?.model.clone();
            Ok::<_, wasmtime::Error>((model, table.delete(request)?))
        })?;
        let (hop, answer) = (request.hop.clone(), ask(request, Some(model)).await);
        store.with(|mut store| give(store.get(), &hop, answer))
    }

    fn drop(mut store: Access<'_, State, Self>, handle: Resource<ModelHandle>) -> Result<()> {
        store.get().table.delete(handle)?;
        Ok(())
    }
}
