//! One call in an instance: the guest's `llm-provider.invoke`, from its handle to its answer.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{
    AsContextMut,
    component::{Accessor, AccessorTask},
};

use super::{
    convert::error_in,
    exports::{Exports, Given},
    handles::{Hop, RequestHandle, ResponseHandle},
    pool::Open,
    state::State,
    worker::Worker,
    writing::Writing,
};
use crate::{answer::Answer, error::ErrorKind, request::Request};

/// One call for a worker.
pub(super) struct Job {
    pub(super) request: Arc<Request>,
    pub(super) hop: Arc<Hop>,
    pub(super) seat: Seat,
}

/// A call's place in an instance. Kept for as long as the guest serves the call, which may be longer than anybody waits.
pub(super) struct Seat {
    pub(super) worker: Arc<Worker>,
    pub(super) open: Arc<Open>,
    pub(super) key: usize,
    /// One of those that the pool has.
    pub(super) _permit: OwnedSemaphorePermit,
}

impl Seat {
    /// Hands up what the guest answered.
    fn answer(&self, answer: Result<Answer, ErrorKind>) {
        if let Some(reply) = self.worker.reply(self.key) {
            // Nobody may be waiting any more.
            let _ = reply.send(Ok(Box::new(answer)));
        }
    }

    /// Gives the seat back.
    fn leave(self) {
        let left = self.worker.leave(self.key);
        if left.reopened {
            self.open.add(self.worker.clone());
        }
    }
}

/// One call, as a task of the instance's event loop. The engine wraps it and has room for it twice, so it is a pointer.
pub(super) struct Serve(Box<(Job, Arc<Exports>)>);

impl Serve {
    pub(super) fn new(job: Job, exports: Arc<Exports>) -> Self {
        Self(Box::new((job, exports)))
    }
}

impl AccessorTask<State> for Serve {
    fn run(self, store: &Accessor<State>) -> impl Future<Output = wasmtime::Result<()>> + Send {
        let (job, exports) = *self.0;
        Box::pin(serve(job, exports, store))
    }
}

// Not an `async fn`, whose future would have room for the job twice.
fn serve(
    job: Job,
    exports: Arc<Exports>,
    store: &Accessor<State>,
) -> impl Future<Output = wasmtime::Result<()>> + Send {
    let Job { request, hop, seat } = job;
    async move {
        // Whatever the guest left behind is of no use once it has answered.
        let _over = hop.end_guard();
        if hop.is_cancelled() {
            seat.answer(Err(hop.invoke.over()));
            seat.leave();
            return Ok(());
        }
        hop.begin();
        // In a block, so that nothing is held twice while the guest runs.
        let (task, finishing) = {
            let (invoke, blocks) = (exports.invoke, exports.blocks);
            let call = store.with(|mut store| {
                let handle = store.data_mut().table.push(RequestHandle { request, hop: hop.clone(), made: None })?;
                let call = invoke.start_call_concurrent(store.as_context_mut(), (handle,))?;
                store.data_mut().calls.insert(call.task(), hop.clone());
                if blocks {
                    store.data_mut().turn.is_of(&hop);
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
            seat.answer(answer);
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
            state.growth.is_worn()
        });
        if is_worn {
            seat.worker.retire();
        }
        seat.leave();
        Ok(())
    }
}

/// What the guest answered, and what is known of it if that is what the guest writes.
type Answered = (Result<Answer, ErrorKind>, Option<Arc<Writing>>);

fn take(state: &mut State, answer: Given) -> wasmtime::Result<Answered> {
    Ok(match answer {
        Ok(handle) => {
            let ResponseHandle { answer, writing, .. } = state.table.delete(handle)?;
            (Ok(answer), writing)
        }
        Err(error) => (Err(error_in(error)), None),
    })
}
