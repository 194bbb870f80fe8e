//! `arcllm:llm/models`: other models, for modules that have the grant.

use wasmtime::{
    Result,
    component::{Access, Accessor, Resource},
};

use crate::runtime::guest::{
    bindings::arcllm::llm::{
        models::{Host, HostModel, HostModelWithStore, HostWithStore},
        types::{Error, ModelFacts},
    },
    convert::{error::error_out, facts::facts_out},
    handles::{ModelHandle, RequestHandle, ResponseHandle},
    imports::inner::{ask, give},
    store_data::{Imports, StoreData},
};

impl Host for StoreData {}
impl HostModel for StoreData {}

impl HostWithStore<StoreData> for Imports {
    fn list(mut store: Access<'_, StoreData, Self>, request: Resource<RequestHandle>) -> Result<Vec<ModelFacts>> {
        let loader = &store.get().table.get(&request)?.hop.place.loader;
        Ok(loader.list().iter().map(facts_out).collect())
    }

    async fn load(
        store: &Accessor<StoreData, Self>,
        request: Resource<RequestHandle>,
        name: String,
    ) -> Result<std::result::Result<Resource<ModelHandle>, Error>> {
        let hop = store.with(|mut store| store.get().table.get(&request).map(|handle| handle.hop.clone()))?;
        if hop.is_over() {
            return Ok(Err(error_out(hop.branch.invoke.why_over())));
        }
        Ok(match hop.place.loader.load(&name) {
            Ok(end) => Ok(store.with(|mut store| store.get().table.push(ModelHandle { end }))?),
            Err(error) => Err(error_out(hop.branch.invoke.unavailable(&hop.place.module, &name, error))),
        })
    }
}

impl HostModelWithStore<StoreData> for Imports {
    fn provider(mut store: Access<'_, StoreData, Self>, handle: Resource<ModelHandle>) -> Result<String> {
        Ok(store.get().table.get(&handle)?.end.provider.clone())
    }

    fn name(mut store: Access<'_, StoreData, Self>, handle: Resource<ModelHandle>) -> Result<String> {
        Ok(store.get().table.get(&handle)?.end.model.clone())
    }

    async fn invoke(
        store: &Accessor<StoreData, Self>,
        handle: Resource<ModelHandle>,
        request: Resource<RequestHandle>,
    ) -> Result<std::result::Result<Resource<ResponseHandle>, Error>> {
        let (model, request) = store.with(|mut store| {
            let table = &mut store.get().table;
            let model = table.get(&handle)?.end.clone();
            Ok::<_, wasmtime::Error>((model, table.delete(request)?))
        })?;
        let (hop, answer) = (request.hop.clone(), ask(request, Some(model)).await);
        store.with(|mut store| give(store.get(), &hop, answer))
    }

    fn drop(mut store: Access<'_, StoreData, Self>, handle: Resource<ModelHandle>) -> Result<()> {
        store.get().table.delete(handle)?;
        Ok(())
    }
}
