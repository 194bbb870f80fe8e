//! Runs an instance: its start, its event loop, each call in it, and its end.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use metrics::Gauge;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use wasmtime::{
    AsContextMut as _,
    component::{Access, Accessor, GuestTaskId, Resource, TypedFuncCallConcurrent},
};

use crate::{
    adapter::answer::Answer,
    chat::{error::ErrorKind, request::Request},
    runtime::{
        guest::{
            convert::error::error_in,
            exports::{Exports, GuestAnswer},
            handles::{RequestHandle, ResponseHandle},
            hop::Hop,
            store_data::StoreData,
            writing::Writing,
        },
        instance::{
            calls::{Calls, NextCall},
            error::InstanceError,
            instance::Instance,
            worker::Worker,
        },
        limits::{capacity::Permit, cpu_clock::CpuClock, policy::InstancePolicy},
    },
};

/// How often an instance is checked for calls that stall and for idleness.
const LOOK: Duration = Duration::from_secs(1);

/// The policy and the surroundings that an instance runs with.
pub(crate) struct Terms {
    pub(crate) policy: InstancePolicy,
    /// The Tokio runtime that it runs in.
    pub(crate) runtime: Handle,
    /// The turns of guests that compute for long.
    pub(crate) turns: Arc<Semaphore>,
    /// Counts running instances.
    pub(crate) running: Gauge,
    /// Held while the instance runs.
    pub(crate) permit: Permit,
}

/// Runs the instance that `starting` makes.
pub(crate) fn spawn(
    worker: Arc<Worker>,
    starting: impl Future<Output = Result<Instance, InstanceError>> + Send + 'static,
    terms: Terms,
) {
    let Terms { policy, runtime, turns, running, permit } = terms;
    running.increment(1);
    let polled = worker.running.clone();
    let guard = EndGuard { worker, running, _permit: permit };
    polled.start(&runtime, async move {
        let worker = &guard.worker;
        let why = match starting.await {
            Ok(instance) => run(worker, instance, &policy, &turns).await,
            Err(why) => why,
        };
        worker.end(&why);
    });
}

/// Serves calls until the instance is retired or traps. Returns why it ended.
async fn run(
    worker: &Arc<Worker>,
    mut instance: Instance,
    policy: &InstancePolicy,
    turns: &Arc<Semaphore>,
) -> InstanceError {
    let exports = instance.exports.clone();
    let cpu = worker.started(instance.store.data().cpu.clone());
    instance.store.data_mut().memory.started();
    let trapped = {
        let serving = instance.store.run_concurrent(async |store| serve_all(worker, &exports, store).await);
        tokio::select! {
            biased;
            served = take_turns(worker, cpu, turns, serving) => Some(served.unwrap_or_else(|error| error)),
            () = look_after(worker, policy) => None,
        }
    };
    // Before the store is dropped with what its calls hold.
    worker.with(Calls::close);
    let Some(error) = trapped else { return InstanceError::retired() };
    let state = instance.store.data_mut();
    let culprit = state.culprit.take();
    InstanceError::trap(&error, culprit, state)
}

/// Serves calls until one of them ends the instance with an error.
async fn serve_all(worker: &Arc<Worker>, exports: &Exports, store: &Accessor<StoreData>) -> wasmtime::Error {
    let mut served = FuturesUnordered::new();
    // Polled when the guest can start a call, which is not while it computes. It starts one call at a time, so that calls
    // behind a computing one can go to another instance.
    poll_fn(|context| {
        loop {
            let next = worker.next().map(|next| served.push(serve(next, worker, exports, store)));
            let before = served.len();
            if let Some(error) = ended(&mut served, context) {
                return Poll::Ready(error);
            }
            // An abandoned call ends at once, so the next one can start.
            if next.is_none() || served.len() >= before {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Serves one call to its end. An error ends the instance.
async fn serve(
    next: NextCall,
    worker: &Arc<Worker>,
    exports: &Exports,
    store: &Accessor<StoreData>,
) -> wasmtime::Result<()> {
    let NextCall { request, hop, key } = next;
    // Work that the guest left behind ends once it has answered.
    let over = hop.end_guard();
    if hop.is_over() {
        worker.answer(key, Err(hop.branch.invoke.why_over()));
        worker.leave(key);
        return Ok(());
    }
    // In a block, to keep the future small while the guest runs.
    let (task, finishing) = {
        let call = store.with(|store| start(store, exports, request, &hop))?;
        (call.task(), exports.invoke.finish_call_concurrent(store, call))
    };
    let writing = {
        let (answer,) = finishing.await?;
        let (answer, writing) = store.with(|mut store| take(store.data_mut(), &hop, answer))?;
        if let Some(writing) = &writing {
            writing.release();
        }
        worker.answer(key, answer);
        writing
    };
    if let Some(writing) = writing {
        // The guest still writes its answer.
        Box::pin(writing.over()).await;
        writing.settle(None);
    }
    if let Some(ending) = hop.handed_on() {
        // The guest still notes how its answer ends.
        Box::pin(ending.unwatched()).await;
    }
    drop(over);
    // The guest still notes in the store how its call ended.
    hop.noting.done().await;
    if store.with(|mut store| forget(store.data_mut(), task, &hop)) {
        worker.retire();
    }
    worker.leave(key);
    Ok(())
}

/// Starts the call in the guest, and notes which task serves it.
fn start(
    mut store: Access<'_, StoreData>,
    exports: &Exports,
    request: Arc<Request>,
    hop: &Arc<Hop>,
) -> wasmtime::Result<TypedFuncCallConcurrent<StoreData, (Resource<RequestHandle>,), (GuestAnswer,)>> {
    if store.data_mut().calls.is_empty() {
        store.data_mut().forget_last_words();
    }
    let handle = store.data_mut().table.push(RequestHandle { request, hop: hop.clone(), derived: None })?;
    let call = exports.invoke.start_call_concurrent(store.as_context_mut(), (handle,))?;
    store.data_mut().calls.insert(call.task(), hop.clone());
    Ok(call)
}

/// Forgets which task served the call. Returns whether the instance is worn.
fn forget(state: &mut StoreData, task: GuestTaskId, hop: &Arc<Hop>) -> bool {
    // The number of an ended task is reused. The next call with it may have begun.
    if state.calls.get(&task).is_some_and(|known| Arc::ptr_eq(known, hop)) {
        state.calls.remove(&task);
    }
    state.memory.is_worn()
}

/// What the guest answered, and the state of the answer if the guest still writes it.
type AnswerWithWriting = (Result<Answer, ErrorKind>, Option<Arc<Writing>>);

/// Takes an answer from the guest.
fn take(state: &mut StoreData, hop: &Hop, answer: GuestAnswer) -> wasmtime::Result<AnswerWithWriting> {
    Ok(match answer {
        Ok(handle) => {
            let ResponseHandle { answer, writing, ending, .. } = state.table.delete(handle)?;
            if let Some(ending) = ending {
                hop.hand_on(ending);
            }
            (Ok(answer), writing)
        }
        Err(error) => (Err(error_in(error)), None),
    })
}

/// Removes calls that have ended. An error ends the instance.
fn ended<F: Future<Output = wasmtime::Result<()>>>(
    served: &mut FuturesUnordered<F>,
    context: &mut Context<'_>,
) -> Option<wasmtime::Error> {
    while let Poll::Ready(Some(ended)) = served.poll_next_unpin(context) {
        if let Err(error) = ended {
            return Some(error);
        }
    }
    None
}

/// Polls an instance. If a guest computes for long or blocks, the calls behind it go to other instances. Guests that compute take
/// turns, so that they never hold up all threads.
async fn take_turns<F: Future>(worker: &Arc<Worker>, cpu: &CpuClock, turns: &Arc<Semaphore>, doing: F) -> F::Output {
    let mut doing = pin!(doing);
    let mut waiting: Option<BoxFuture<'static, Option<OwnedSemaphorePermit>>> = None;
    poll_fn(move |context| {
        let _turn = match &mut waiting {
            Some(turn) => ready!(turn.as_mut().poll(context)),
            None => None,
        };
        waiting = None;
        let polled = cpu.run(|| doing.as_mut().poll(context));
        if cpu.is_blocked() {
            worker.make_way();
        }
        if polled.is_pending() && cpu.is_computing() {
            waiting = Some(Box::pin(turn(turns.clone())));
            worker.make_way();
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}

/// Waits for a turn to compute. The runtime has one turn for each of its threads, and all other ready tasks come first.
async fn turn(turns: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    let turn = turns.acquire_owned().await.ok();
    tokio::task::yield_now().await;
    turn
}

/// Looks after the calls of the instance, until it must end.
async fn look_after(worker: &Worker, policy: &InstancePolicy) {
    let mut looking = pin!(look(worker, policy));
    poll_fn(|context| match worker.is_stopping() {
        true => Poll::Ready(()),
        false => looking.as_mut().poll(context),
    })
    .await;
}

async fn look(worker: &Worker, policy: &InstancePolicy) {
    let (idle, stall) = (policy.retire_after_idle, policy.limits.stall);
    let pause = LOOK.min(idle / 4).min(stall / 4).max(Duration::from_millis(1));
    loop {
        tokio::time::sleep(pause).await;
        let is_over = worker.with(|calls| {
            calls.look_after(Instant::now());
            calls.is_over()
        });
        if is_over {
            return;
        }
    }
}

/// Ends an instance, even when its task panics or its runtime shuts down.
struct EndGuard {
    worker: Arc<Worker>,
    running: Gauge,
    _permit: Permit,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.worker.end(&InstanceError::lost());
        self.running.decrement(1);
    }
}
