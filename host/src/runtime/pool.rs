//! The instances of one module with one set of settings, shared by every model whose chain has it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    calls::{Taken, Terms},
    component::{Compiled, Streams},
    drive,
    failed::{Failed, Outcome},
    handles::Hop,
    instance::Instance,
    limits::Caps,
    room::Room,
    serve::{Job, Seat},
    worker::Worker,
};
use crate::{
    config::{OnTrap, Sandbox},
    request::Request,
    state_store::StateStore,
    telemetry,
};

/// Instances, made on demand, reused, and given up.
pub(crate) struct Pool {
    module: Arc<str>,
    compiled: Arc<Compiled>,
    /// The module's settings, as JSON.
    settings: String,
    /// Where the module keeps what it may keep.
    state: Arc<dyn StateStore>,
    share: Share,
    /// As many as calls may be served at once.
    seats: Arc<Semaphore>,
    /// How many calls wait for a seat.
    queued: AtomicU32,
    open: Arc<Open>,
}

/// How calls share instances, and what an instance may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) caps: Caps,
    pub(crate) on_trap: OnTrap,
    max_instances: u32,
    max_queued: u32,
    terms: Terms,
    is_built_in: bool,
}

impl Share {
    /// What a sandbox says, with so many calls to an instance.
    pub(crate) fn new(sandbox: &Sandbox, most: u32, is_built_in: bool) -> Self {
        let terms = Terms {
            most,
            calls: if sandbox.fresh { 1 } else { sandbox.retire_after_calls },
            idle: sandbox.retire_after_idle,
            stall: sandbox.limits.stall,
        };
        Self {
            caps: Caps { limits: sandbox.limits, calls: most },
            on_trap: sandbox.on_trap,
            max_instances: sandbox.max_instances,
            max_queued: sandbox.max_queued,
            terms,
            is_built_in,
        }
    }
}

impl Pool {
    /// A pool with its first instance, which has been described and configured already.
    pub(crate) fn new(
        module: Arc<str>,
        compiled: Arc<Compiled>,
        settings: String,
        share: Share,
        state: Arc<dyn StateStore>,
        first: Instance,
    ) -> Arc<Self> {
        let seats = u64::from(share.max_instances).saturating_mul(share.terms.most.into());
        let seats = usize::try_from(seats).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let open = Arc::new(Open::default());
        // If there is no room for it, it is not kept: calls are told so.
        if let Some(room) = Room::take(share.is_built_in) {
            open.add(Worker::spawn(std::future::ready(Ok(first)), share.terms, telemetry::instances(&module), room));
        }
        let (seats, queued) = (Arc::new(Semaphore::new(seats)), AtomicU32::new(0));
        Arc::new(Self { module, compiled, settings, state, share, seats, queued, open })
    }

    /// What becomes of a call that the module cannot serve.
    pub(crate) fn on_trap(&self) -> OnTrap {
        self.share.on_trap
    }

    /// Whether the module is given whole answers only.
    pub(crate) fn takes_whole(&self) -> bool {
        self.compiled.streams == Streams::Whole
    }

    /// Has an instance serve this call, as soon as there is one with a seat.
    pub(super) async fn serve(&self, request: Arc<Request>, hop: Arc<Hop>) -> Outcome {
        loop {
            let permit = match self.seats.clone().try_acquire_owned() {
                Ok(permit) => permit,
                // On the heap, since it is rare and every call would have room for it.
                Err(_) => Box::pin(self.queue()).await?,
            };
            let (reply, outcome) = oneshot::channel();
            drive::with(|| self.hand(request.clone(), hop.clone(), permit, reply));
            match outcome.await.unwrap_or_else(|_| Err(Failed::lost())) {
                // The instance ended, for another call's sake, before it came to this one.
                Err(failed) if failed.is_untouched() => {}
                outcome => return outcome,
            }
        }
    }

    /// Hands a call to an instance with a seat, a new one if none has any.
    fn hand(
        &self,
        request: Arc<Request>,
        hop: Arc<Hop>,
        permit: OwnedSemaphorePermit,
        mut reply: oneshot::Sender<Outcome>,
    ) {
        let (worker, key) = loop {
            match self.open.take(&hop, reply) {
                Ok(taken) => break taken,
                Err(refused) => reply = refused,
            }
            let Some(room) = Room::take(self.share.is_built_in) else {
                // Nobody may be waiting any more.
                let _ = reply.send(Err(Failed::crowded()));
                return;
            };
            self.open.add(self.spawn(room));
        };
        let seat = Seat { worker: worker.clone(), open: self.open.clone(), key, _permit: permit };
        worker.hand(Job { request, hop, seat });
    }

    /// Waits until one more call may be served.
    async fn queue(&self) -> Result<OwnedSemaphorePermit, Failed> {
        let _queued = Queued::new(&self.queued, self.share.max_queued, &self.module)?;
        self.seats.clone().acquire_owned().await.map_err(|_| Failed::lost())
    }

    fn spawn(&self, room: Room) -> Arc<Worker> {
        let (module, compiled) = (self.module.clone(), self.compiled.clone());
        let (settings, caps, state) = (self.settings.clone(), self.share.caps, self.state.clone());
        let starting = async move {
            let failed = |reason: String| Failed::new(format!("it did not start: {reason}"));
            let mut instance = Instance::start(module, &compiled, caps, &*state).await.map_err(failed)?;
            match instance.configure(settings).await.map_err(failed)? {
                Ok(()) => Ok(instance),
                Err(_) => Err(Failed::new("it refused the settings that it took before")),
            }
        };
        Worker::spawn(starting, self.share.terms, telemetry::instances(&self.module), room)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.open.close();
    }
}

/// A call that waits for a seat.
struct Queued<'a> {
    queued: &'a AtomicU32,
    gauge: Gauge,
}

impl<'a> Queued<'a> {
    fn new(queued: &'a AtomicU32, most: u32, module: &Arc<str>) -> Result<Self, Failed> {
        if queued.fetch_add(1, Ordering::Relaxed) >= most {
            queued.fetch_sub(1, Ordering::Relaxed);
            return Err(Failed::overloaded());
        }
        let gauge = telemetry::queued(module);
        gauge.increment(1);
        Ok(Self { queued, gauge })
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
        self.gauge.decrement(1);
    }
}

/// The instances that take calls. The one used last comes first, so that others fall idle.
#[derive(Default)]
pub(super) struct Open(Mutex<Stack>);

#[derive(Default)]
struct Stack {
    workers: Vec<Arc<Worker>>,
    /// Whether the pool is gone.
    closed: bool,
}

impl Open {
    /// Takes an instance in that has a seat. Of a pool that is gone, it is retired.
    pub(super) fn add(&self, worker: Arc<Worker>) {
        let mut stack = self.stack();
        if stack.closed {
            worker.retire();
        } else {
            stack.workers.push(worker);
        }
    }

    /// A seat in an instance, unless none has any.
    fn take(
        &self,
        hop: &Arc<Hop>,
        mut reply: oneshot::Sender<Outcome>,
    ) -> Result<(Arc<Worker>, usize), oneshot::Sender<Outcome>> {
        let mut stack = self.stack();
        loop {
            let Some(worker) = stack.workers.last() else { return Err(reply) };
            match worker.take(hop, reply) {
                Taken::Seat { key, last } => {
                    let worker = worker.clone();
                    if last {
                        stack.workers.pop();
                    }
                    return Ok((worker, key));
                }
                Taken::Refused(refused) => {
                    stack.workers.pop();
                    reply = refused;
                }
            }
        }
    }

    fn close(&self) {
        let mut stack = self.stack();
        stack.closed = true;
        stack.workers.drain(..).for_each(|worker| worker.retire());
    }

    fn stack(&self) -> std::sync::MutexGuard<'_, Stack> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
