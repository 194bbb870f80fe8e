//! The imports of modules that block. The instance does nothing else while it waits for them.
//!
//! Linked by hand: `bindgen!` would make separate types for these interfaces.

use std::sync::Arc;

use wasmtime::{
    AsContextMut as _, Result, StoreContextMut,
    component::{Linker, LinkerInstance, Resource, ResourceType},
};

use crate::{
    runtime::guest::{
        convert::{error::error_out, facts::facts_out},
        handles::{ModelHandle, RequestHandle},
        hop::Hop,
        imports::{
            inner::{ask, give, validate_config},
            journal::append,
            state::{compare_and_swap, delete, get, increment, set, within},
        },
        store_data::{StoreData, current_hop},
    },
    state::state_store::Bucket,
};

/// The values of a module, and the call that asks for them.
type CallState = (Arc<dyn Bucket>, Option<Arc<Hop>>);

/// Links all of them.
pub(crate) fn add_to_linker(linker: &mut Linker<StoreData>) -> Result<()> {
    provider(&mut linker.instance("arcllm:llm/llm-provider-blocking@0.1.0")?)?;
    models(&mut linker.instance("arcllm:llm/models-blocking@0.1.0")?)?;
    state(&mut linker.instance("arcllm:llm/state-blocking@0.1.0")?)?;
    journal(&mut linker.instance("arcllm:llm/journal-blocking@0.1.0")?)
}

fn provider(linker: &mut LinkerInstance<'_, StoreData>) -> Result<()> {
    linker.func_wrap("name", |mut store: StoreContextMut<'_, StoreData>, ()| {
        let hop = current_hop(store.as_context_mut())?;
        Ok((hop.map(|hop| hop.inner.provider().to_owned()).unwrap_or_default(),))
    })?;
    linker.func_wrap("validate-config", |mut store: StoreContextMut<'_, StoreData>, ()| {
        Ok((validate_config(current_hop(store.as_context_mut())?.as_deref()),))
    })?;
    linker.func_wrap_async("invoke", |mut store, (handle,): (Resource<RequestHandle>,)| {
        Box::new(async move {
            let request = store.data_mut().table.delete(handle)?;
            let (hop, answer) = (request.hop.clone(), ask(request, None).await);
            Ok((give(store.data_mut(), &hop, answer)?,))
        })
    })
}

fn models(linker: &mut LinkerInstance<'_, StoreData>) -> Result<()> {
    linker.resource("model", ResourceType::host::<ModelHandle>(), |mut store, handle| {
        store.data_mut().table.delete(Resource::<ModelHandle>::new_own(handle))?;
        Ok(())
    })?;
    linker.func_wrap(
        "[method]model.provider",
        |mut store: StoreContextMut<'_, StoreData>, (handle,): (Resource<ModelHandle>,)| {
            Ok((store.data_mut().table.get(&handle)?.end.provider.clone(),))
        },
    )?;
    linker.func_wrap(
        "[method]model.name",
        |mut store: StoreContextMut<'_, StoreData>, (handle,): (Resource<ModelHandle>,)| {
            Ok((store.data_mut().table.get(&handle)?.end.model.clone(),))
        },
    )?;
    linker.func_wrap("list", |store: StoreContextMut<'_, StoreData>, (request,): (Resource<RequestHandle>,)| {
        let loader = &store.data().table.get(&request)?.hop.place.loader;
        Ok((loader.list().iter().map(facts_out).collect::<Vec<_>>(),))
    })?;
    linker.func_wrap(
        "load",
        |mut store: StoreContextMut<'_, StoreData>, (request, name): (Resource<RequestHandle>, String)| {
            let hop = store.data_mut().table.get(&request)?.hop.clone();
            if hop.is_over() {
                return Ok((Err(error_out(hop.branch.invoke.why_over())),));
            }
            Ok((match hop.place.loader.load(&name) {
                Ok(end) => Ok(store.data_mut().table.push(ModelHandle { end })?),
                Err(error) => Err(error_out(hop.branch.invoke.unavailable(&hop.place.module, &name, error))),
            },))
        },
    )?;
    type Ask = (Resource<ModelHandle>, Resource<RequestHandle>);
    linker.func_wrap_async("[method]model.invoke", |mut store, (model, request): Ask| {
        Box::new(async move {
            let table = &mut store.data_mut().table;
            let model = table.get(&model)?.end.clone();
            let request = table.delete(request)?;
            let (hop, answer) = (request.hop.clone(), ask(request, Some(model)).await);
            Ok((give(store.data_mut(), &hop, answer)?,))
        })
    })
}

fn state(linker: &mut LinkerInstance<'_, StoreData>) -> Result<()> {
    linker.func_wrap_async("get", |store, (key,): (String,)| {
        Box::new(async move {
            let (bucket, hop) = bucket(store)?;
            Ok((within(hop.as_deref(), get(&bucket, &key)).await,))
        })
    })?;
    linker.func_wrap_async("set", |store, (key, value): (String, Vec<u8>)| {
        Box::new(async move {
            let (bucket, hop) = bucket(store)?;
            Ok((within(hop.as_deref(), set(&bucket, &key, value)).await,))
        })
    })?;
    linker.func_wrap_async("delete", |store, (key,): (String,)| {
        Box::new(async move {
            let (bucket, hop) = bucket(store)?;
            Ok((within(hop.as_deref(), delete(&bucket, &key)).await,))
        })
    })?;
    linker.func_wrap_async("increment", |store, (key, delta): (String, i64)| {
        Box::new(async move {
            let (bucket, hop) = bucket(store)?;
            Ok((within(hop.as_deref(), increment(&bucket, &key, delta)).await,))
        })
    })?;
    type Swap = (String, Option<Vec<u8>>, Option<Vec<u8>>);
    linker.func_wrap_async("compare-and-swap", |store, (key, current, new): Swap| {
        Box::new(async move {
            let (bucket, hop) = bucket(store)?;
            Ok((within(hop.as_deref(), compare_and_swap(&bucket, &key, current, new)).await,))
        })
    })
}

fn journal(linker: &mut LinkerInstance<'_, StoreData>) -> Result<()> {
    linker.func_wrap_async("append", |mut store, (record,): (String,)| {
        Box::new(async move {
            let hop = current_hop(store.as_context_mut())?;
            Ok((append(hop, record).await,))
        })
    })
}

/// The module's values, and the call that asks for them.
fn bucket(mut store: StoreContextMut<'_, StoreData>) -> Result<CallState> {
    let hop = current_hop(store.as_context_mut())?;
    Ok((store.data().bucket.clone(), hop))
}
