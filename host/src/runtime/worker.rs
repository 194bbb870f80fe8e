//! The event loop of one instance: takes calls from a channel and serves them side by side.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::sync::{mpsc, oneshot, watch};
use wasmtime::{
    AsContextMut,
    component::{Accessor, AccessorTask, Resource},
};

use super::{
    bindings::ModuleWithModels,
    convert::error_in,
    handles::{Hop, RequestHandle},
    instance::Instance,
    state::State,
};
use crate::{error::ErrorKind, request::Request, response::Response};

/// One call for a worker.
pub(crate) struct Job {
    pub(crate) request: Arc<Request>,
    pub(crate) hop: Arc<Hop>,
    pub(crate) reply: oneshot::Sender<Result<Response, ErrorKind>>,
    /// Held for as long as the guest serves the call, which may be longer than anybody waits for it.
    pub(crate) seat: Seat,
}

/// A running instance, seen from outside.
pub(crate) struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    seats: Arc<AtomicU32>,
    /// Why the instance has ended, once it has.
    ended: watch::Receiver<Option<String>>,
}

/// A place among the calls that share an instance.
pub(crate) struct Seat(Arc<AtomicU32>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Worker {
    /// Runs an instance that is being made by `starting`, with the first of its seats. Calls can be handed over at once.
    pub(crate) fn spawn(
        starting: impl Future<Output = Result<Instance, String>> + Send + 'static,
    ) -> (Arc<Self>, Seat) {
        let (jobs, queue) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(None);
        tokio::spawn(async move {
            let reason = match starting.await {
                Ok(instance) => serve(instance, queue).await,
                Err(reason) => {
                    drop(queue);
                    reason
                }
            };
            end.send_replace(Some(reason));
        });
        let seats = Arc::new(AtomicU32::new(1));
        (Arc::new(Self { jobs, seats: seats.clone(), ended }), Seat(seats))
    }

    /// A seat, unless `most` are taken or the instance has ended.
    pub(crate) fn seat(&self, most: u32) -> Option<Seat> {
        let free = |taken| (taken < most).then_some(taken + 1);
        let seated = self.seats.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).is_ok();
        let seat = seated.then(|| Seat(self.seats.clone()))?;
        (!self.jobs.is_closed()).then_some(seat)
    }

    /// Whether the instance has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.jobs.is_closed()
    }

    /// Hands over a call. Gives it back if the instance has ended meanwhile.
    pub(crate) fn hand(&self, job: Job) -> Result<(), Job> {
        self.jobs.send(job).map_err(|refused| refused.0)
    }

    /// Why the instance ended; waits until it has.
    pub(crate) async fn reason(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "its instance was lost".to_owned(),
        }
    }
}

/// Serves calls until nobody can hand over any more, or until a trap. Returns why it ended.
async fn serve(mut instance: Instance, mut queue: mpsc::UnboundedReceiver<Job>) -> String {
    let exports = instance.exports.clone();
    let serving = instance.store.run_concurrent(async |store| {
        while let Some(job) = queue.recv().await {
            store.spawn(Serve { job, exports: exports.clone() })?;
        }
        Ok::<_, wasmtime::Error>(())
    });
    let reason = match serving.await.and_then(|served| served) {
        Ok(()) => "it was retired".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    // From here on no call is taken; those in the store end with it.
    drop(queue);
    drop(instance);
    reason
}

/// One call, as a task of the instance's event loop.
struct Serve {
    job: Job,
    exports: Arc<ModuleWithModels>,
}

impl AccessorTask<State> for Serve {
    async fn run(self, store: &Accessor<State>) -> wasmtime::Result<()> {
        let Job { request, hop, reply, seat } = self.job;
        // Whatever the guest left behind is of no use once it has answered.
        let _over = hop.cancel.clone().drop_guard();
        if hop.cancel.is_cancelled() {
            return Ok(());
        }
        let invoke = self.exports.arcllm_llm_llm_provider().func_invoke();
        let call = store.with(|mut store| {
            let handle = store.data_mut().table.push(RequestHandle { request, hop: hop.clone() })?;
            let call = invoke.start_call_concurrent(store.as_context_mut(), (handle,))?;
            store.data_mut().calls.insert(call.task(), hop.clone());
            Ok::<_, wasmtime::Error>(call)
        })?;
        let task = call.task();
        let (answer,) = invoke.finish_call_concurrent(store, call).await?;
        let answer = store.with(|mut store| {
            let state = store.data_mut();
            // The number of a task that has ended is given to the next, whose call may have begun meanwhile.
            if state.calls.get(&task).is_some_and(|known| Arc::ptr_eq(known, &hop)) {
                state.calls.remove(&task);
            }
            take(state, answer)
        })?;
        drop(seat);
        // Nobody may be waiting any more.
        let _ = reply.send(answer);
        Ok(())
    }
}

fn take(
    state: &mut State,
    answer: Result<Resource<Response>, super::bindings::arcllm::llm::types::Error>,
) -> wasmtime::Result<Result<Response, ErrorKind>> {
    Ok(match answer {
        Ok(handle) => Ok(state.table.delete(handle)?),
        Err(error) => Err(error_in(error)),
    })
}
