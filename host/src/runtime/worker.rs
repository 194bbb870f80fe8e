//! The event loop of one instance: takes calls from a channel and serves them side by side, until it is retired.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use metrics::Gauge;
use slab::Slab;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot},
    time::Instant,
};
use wasmtime::{
    AsContextMut,
    component::{Accessor, AccessorTask, Resource},
};

use super::{
    bindings::ModuleWithModels,
    convert::error_in,
    drive,
    failed::{Failed, Outcome},
    handles::{Hop, RequestHandle},
    instance::Instance,
    pool::Open,
    state::State,
};
use crate::{error::ErrorKind, request::Request, response::Response};

/// How often an instance is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// How long a guest may go on with a call that nobody waits for.
const LINGER: Duration = Duration::from_millis(500);

/// One call for a worker.
pub(super) struct Job {
    pub(super) request: Arc<Request>,
    pub(super) hop: Arc<Hop>,
    pub(super) seat: Seat,
}

/// A running instance, seen from outside.
pub(super) struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    calls: Mutex<Calls>,
    /// Fires when the instance is to end.
    stop: Notify,
    terms: Terms,
}

/// When an instance is given up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How many calls share it.
    pub(super) most: u32,
    /// How many calls it serves in all.
    pub(super) calls: u64,
    /// For how long it stays without a call.
    pub(super) idle: Duration,
    /// For how long a call may make no progress.
    pub(super) stall: Duration,
}

/// The calls of an instance.
struct Calls {
    entries: Slab<Entry>,
    /// How many more it takes.
    left: u64,
    /// Whether it takes no more, though it serves those that it has.
    closed: bool,
    /// Since when it was seen that there is none.
    idle: Option<Instant>,
}

/// One call of an instance.
struct Entry {
    hop: Arc<Hop>,
    /// Absent once it was answered in the guest's stead.
    reply: Option<oneshot::Sender<Outcome>>,
    seen: Seen,
}

/// A call, when it was last looked at.
#[derive(Clone, Copy)]
enum Seen {
    /// It was not, or it waited for the host.
    Nowhere,
    /// Its progress was this, since then.
    At(u32, Instant),
    /// Nobody waited for it, since then.
    Unawaited(Instant),
}

impl Entry {
    /// Whether somebody waits for the answer.
    fn is_awaited(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }
}

/// What came of asking an instance to take a call.
pub(super) enum Taken {
    /// It did; `last` tells that it takes no other for now.
    Seat { key: usize, last: bool },
    /// It takes none; the reply is given back.
    Refused(oneshot::Sender<Outcome>),
}

impl Worker {
    /// Runs an instance that is being made by `starting`. Calls can be handed over at once.
    pub(super) fn spawn(
        starting: impl Future<Output = Result<Instance, Failed>> + Send + 'static,
        terms: Terms,
        running: Gauge,
    ) -> Arc<Self> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let calls = Calls { entries: Slab::new(), left: terms.calls, closed: false, idle: None };
        let worker = Arc::new(Self { jobs, calls: Mutex::new(calls), stop: Notify::new(), terms });
        // The task holds what it needs of the worker, but not the worker's end of the channel: nobody else does.
        running.increment(1);
        let ending = Ending { worker: worker.clone(), running };
        drive::spawn(async move {
            let why = match starting.await {
                Ok(instance) => ending.worker.run(instance, queue).await,
                Err(why) => why,
            };
            ending.worker.end(&why);
        });
        worker
    }

    /// A seat for this call, unless all are taken or the instance takes no more.
    pub(super) fn take(&self, hop: &Arc<Hop>, reply: oneshot::Sender<Outcome>) -> Taken {
        let mut calls = self.calls();
        if calls.closed || calls.entries.len() >= self.most() {
            return Taken::Refused(reply);
        }
        calls.left = calls.left.saturating_sub(1);
        calls.closed = calls.left == 0;
        calls.idle = None;
        let key = calls.entries.insert(Entry { hop: hop.clone(), reply: Some(reply), seen: Seen::Nowhere });
        Taken::Seat { key, last: calls.closed || calls.entries.len() >= self.most() }
    }

    /// Hands over a call that has a seat.
    pub(super) fn hand(&self, job: Job) {
        // If the instance has ended meanwhile, that answers the call.
        let _ = self.jobs.send(job);
    }

    /// Takes no more calls; ends as soon as nobody waits for one.
    pub(super) fn retire(&self) {
        let mut calls = self.calls();
        calls.closed = true;
        if !calls.entries.iter().any(|(_, entry)| entry.is_awaited()) {
            self.stop.notify_one();
        }
    }

    fn most(&self) -> usize {
        usize::try_from(self.terms.most).unwrap_or(usize::MAX)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves calls until the instance is retired or traps. Tells why it ended.
    async fn run(&self, mut instance: Instance, mut queue: mpsc::UnboundedReceiver<Job>) -> Failed {
        let exports = instance.exports.clone();
        let meter = instance.store.data().meter.clone();
        let trapped = {
            let serving = instance.store.run_concurrent(async |store| {
                while let Some(job) = queue.recv().await {
                    store.spawn(Boxed(Box::new(Serve { job, exports: exports.clone() })))?;
                }
                Ok::<_, wasmtime::Error>(())
            });
            tokio::select! {
                biased;
                served = meter.watch(serving) => served.and_then(|served| served).err(),
                () = self.stop.notified() => None,
                () = self.look_after() => None,
            }
        };
        let Some(error) = trapped else { return Failed::retired() };
        Failed::trap(&error, instance.store.data_mut().culprit.take())
    }

    /// Looks after the calls of the instance, until there is no more to be done.
    async fn look_after(&self) {
        let Terms { idle, stall, .. } = self.terms;
        let pause = LOOK.min(idle / 4).min(stall / 4).max(Duration::from_millis(1));
        loop {
            tokio::time::sleep(pause).await;
            if self.is_over() {
                return;
            }
        }
    }

    /// Gives up calls that make no progress, and the instance when it is idle or holds up what nobody waits for.
    fn is_over(&self) -> bool {
        let mut calls = self.calls();
        let now = Instant::now();
        let Calls { entries, closed, idle, .. } = &mut *calls;
        for (_, entry) in entries.iter_mut() {
            let at = match (entry.is_awaited(), entry.hop.progress()) {
                (false, _) => None,
                (true, Some(at)) => Some(at),
                (true, None) => {
                    entry.seen = Seen::Nowhere;
                    continue;
                }
            };
            match (at, entry.seen) {
                // All that it asks for is refused: it should have returned.
                (None, Seen::Unawaited(since)) => *closed |= now.duration_since(since) >= LINGER,
                (None, _) => entry.seen = Seen::Unawaited(now),
                (Some(at), Seen::At(before, since)) if at == before => {
                    if now.duration_since(since) >= self.terms.stall {
                        *closed = true;
                        if let Some(reply) = entry.reply.take() {
                            // Nobody may be waiting any more.
                            let _ = reply.send(Err(Failed::stalled()));
                        }
                    }
                }
                (Some(at), _) => entry.seen = Seen::At(at, now),
            }
        }
        *closed |= entries.is_empty() && now.duration_since(*idle.get_or_insert(now)) >= self.terms.idle;
        *closed && !entries.iter().any(|(_, entry)| entry.is_awaited())
    }

    /// Answers whatever is left in the stead of an instance that has ended.
    fn end(&self, why: &Failed) {
        let left: Vec<Entry> = {
            let mut calls = self.calls();
            calls.closed = true;
            calls.entries.drain().collect()
        };
        let shared = left.iter().filter(|entry| entry.is_awaited()).count();
        for Entry { hop, reply, .. } in left {
            if let Some(reply) = reply {
                // Nobody may be waiting any more.
                let _ = reply.send(Err(why.for_call(&hop, shared)));
            }
        }
    }
}

/// Ends a worker even where its task panics.
struct Ending {
    worker: Arc<Worker>,
    running: Gauge,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.worker.end(&Failed::lost());
        self.running.decrement(1);
    }
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
    /// Gives the seat back, with what the guest answered.
    fn leave(self, answer: Result<Response, ErrorKind>) {
        let (entry, reopened, over) = {
            let mut calls = self.worker.calls();
            let was_full = calls.entries.len() >= self.worker.most();
            let entry = calls.entries.try_remove(self.key);
            let over = calls.closed && !calls.entries.iter().any(|(_, entry)| entry.is_awaited());
            (entry, was_full && !calls.closed, over)
        };
        if over {
            self.worker.stop.notify_one();
        }
        if reopened {
            self.open.add(self.worker.clone());
        }
        if let Some(reply) = entry.and_then(|entry| entry.reply) {
            // Nobody may be waiting any more.
            let _ = reply.send(Ok(Box::new(answer)));
        }
    }
}

/// One call, as a task of the instance's event loop.
struct Serve {
    job: Job,
    exports: Arc<ModuleWithModels>,
}

/// The engine wraps what it spawns, and has room for it twice: so it gets little.
struct Boxed(Box<Serve>);

impl AccessorTask<State> for Boxed {
    fn run(self, store: &Accessor<State>) -> impl Future<Output = wasmtime::Result<()>> + Send {
        Box::pin(self.0.run(store))
    }
}

impl Serve {
    async fn run(self: Box<Self>, store: &Accessor<State>) -> wasmtime::Result<()> {
        let Self { job: Job { request, hop, seat }, exports } = *self;
        // Whatever the guest left behind is of no use once it has answered.
        let _over = hop.cancel.clone().drop_guard();
        if hop.cancel.is_cancelled() {
            seat.leave(Err(hop.invoke.over()));
            return Ok(());
        }
        // In a block, so that nothing is held twice while the guest runs.
        let (task, finishing) = {
            let invoke = exports.arcllm_llm_llm_provider().func_invoke();
            let call = store.with(|mut store| {
                let handle = store.data_mut().table.push(RequestHandle { request, hop: hop.clone() })?;
                let call = invoke.start_call_concurrent(store.as_context_mut(), (handle,))?;
                store.data_mut().calls.insert(call.task(), hop.clone());
                Ok::<_, wasmtime::Error>(call)
            })?;
            (call.task(), invoke.finish_call_concurrent(store, call))
        };
        let (answer,) = finishing.await?;
        let answer = store.with(|mut store| {
            let state = store.data_mut();
            // The number of a task that has ended is given to the next, whose call may have begun meanwhile.
            if state.calls.get(&task).is_some_and(|known| Arc::ptr_eq(known, &hop)) {
                state.calls.remove(&task);
            }
            take(state, answer)
        })?;
        seat.leave(answer);
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
