//! One call in an instance: the guest's `llm-provider.invoke`, from its handle to its answer.

use std::sync::Arc;

use wasmtime::{AsContextMut, component::Accessor};

use crate::{
    adapter::answer::Answer,
    chat::error::ErrorKind,
    runtime::{
        guest::{
            convert::error::error_in,
            exports::{Exports, Given},
            handles::{RequestHandle, ResponseHandle},
            store_data::StoreData,
            writing::Writing,
        },
        instance::{calls::NextCall, worker::Worker},
    },
};

/// Serves one call to its end. Fails where the instance has to end.
pub(crate) async fn serve(
    next: NextCall,
    worker: &Arc<Worker>,
    exports: &Exports,
    store: &Accessor<StoreData>,
) -> wasmtime::Result<()> {
    let NextCall { request, hop, key } = next;
    // Whatever the guest left behind is of no use once it has answered.
    let _over = hop.end_guard();
    if hop.is_over() {
        worker.answer(key, Err(hop.branch.invoke.why_over()));
        worker.leave(key);
        return Ok(());
    }
    // In a block, so that nothing is held twice while the guest runs.
    let (task, finishing) = {
        let (invoke, blocks) = (exports.invoke, exports.blocks);
        let call = store.with(|mut store| {
            let handle = store.data_mut().table.push(RequestHandle { request, hop: hop.clone(), derived: None })?;
            let call = invoke.start_call_concurrent(store.as_context_mut(), (handle,))?;
            store.data_mut().calls.insert(call.task(), hop.clone());
            if blocks {
                store.data_mut().current.is_of(&hop);
            }
            Ok::<_, wasmtime::Error>(call)
        })?;
        (call.task(), invoke.finish_call_concurrent(store, call))
    };
    let writing = {
        let (answer,) = finishing.await?;
        let (answer, writing) = store.with(|mut store| take(store.data_mut(), answer))?;
        if let Some(writing) = &writing {
            writing.release();
        }
        worker.answer(key, answer);
        writing
    };
    if let Some(writing) = writing {
        // The guest goes on with its answer, in its seat.
        Box::pin(writing.over()).await;
        writing.settle(None);
    }
    let is_worn = store.with(|mut store| {
        let state = store.data_mut();
        // The number of a task that has ended is given to the next, whose call may have begun meanwhile.
        if state.calls.get(&task).is_some_and(|known| Arc::ptr_eq(known, &hop)) {
            state.calls.remove(&task);
        }
        state.memory.is_worn()
    });
    if is_worn {
        worker.retire();
    }
    worker.leave(key);
    Ok(())
}

/// What the guest answered, and what is known of it if that is what the guest writes.
type Answered = (Result<Answer, ErrorKind>, Option<Arc<Writing>>);

fn take(state: &mut StoreData, answer: Given) -> wasmtime::Result<Answered> {
    Ok(match answer {
        Ok(handle) => {
            let ResponseHandle { answer, writing, .. } = state.table.delete(handle)?;
            (Ok(answer), writing)
        }
        Err(error) => (Err(error_in(error)), None),
    })
}
