//! One instance and its event loop: serves calls side by side, until it is retired.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::AtomicBool, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use metrics::Gauge;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{
    adapter::answer::Answer,
    chat::error::ErrorKind,
    runtime::{
        instance::{
            calls::{Begun, Calls, Job, Taken, Terms},
            drive::Loop,
            failed::Failed,
            instance::Instance,
            pool::Instances,
            serve::serve,
        },
        limits::{cpu::Meter, room::Room},
    },
};

/// How often an instance is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// A running instance, seen from outside.
pub(crate) struct Worker {
    calls: Mutex<Calls>,
    /// Polls it.
    running: Arc<Loop>,
    /// Whether the instance is to end.
    stops: AtomicBool,
    /// How long it computes; absent until it has started.
    meter: OnceLock<Arc<Meter>>,
    /// Whether it counts as one that takes calls.
    counts: AtomicBool,
    /// Those that it is one of, and the thread whose calls it serves.
    instances: Arc<Instances>,
    thread: usize,
}

impl Worker {
    /// Runs an instance that is being made by `starting`. Calls can be handed over at once.
    pub(crate) fn spawn(
        instances: Arc<Instances>,
        thread: usize,
        starting: impl Future<Output = Result<Instance, Failed>> + Send + 'static,
        running: Gauge,
        room: Room,
    ) -> Arc<Self> {
        let worker = Arc::new(Self {
            calls: Mutex::new(Calls::new(instances.terms())),
            running: Loop::new(),
            stops: AtomicBool::new(false),
            meter: OnceLock::new(),
            counts: AtomicBool::new(true),
            instances,
            thread,
        });
        running.increment(1);
        let ending = Ending { worker: worker.clone(), running, _room: room };
        worker.running.start(&worker.instances.runtime, async move {
            let worker = &ending.worker;
            let why = match starting.await {
                Ok(instance) => worker.run(instance).await,
                Err(why) => why,
            };
            worker.end(&why);
        });
        worker
    }

    /// Takes this call, if there is room for it. Whoever hands it over says so by `handed`, once it holds no lock.
    pub(crate) fn take(&self, job: Job) -> Taken {
        self.calls().take(job)
    }

    /// Has the instance polled, as soon as this thread comes to it.
    pub(crate) fn handed(&self) {
        self.with(|_| ());
        self.running.wake();
    }

    /// Whether a guest computes for so long that whoever asks should go elsewhere.
    pub(crate) fn is_computing(&self) -> bool {
        self.meter.get().is_some_and(|meter| meter.is_computing())
    }

    /// Hands up what the guest answered.
    pub(crate) fn answer(&self, key: usize, answer: Result<Answer, ErrorKind>) {
        let reply = self.calls().reply(key);
        if let Some(reply) = reply {
            // Nobody may be waiting any more.
            let _ = reply.send(Ok(Box::new(answer)));
        }
    }

    /// A call has ended.
    pub(crate) fn leave(self: &Arc<Self>, key: usize) {
        let left = self.with(|calls| calls.leave(key));
        if left.is_over {
            self.stop();
        }
        if left.reopened {
            self.instances.open(self.thread).add(self.clone());
        }
        self.instances.serve_waiting();
        if left.is_idle && crate::runtime::limits::room::is_wanted() {
            self.retire_if_idle();
        }
    }

    /// Takes no more calls; ends as soon as nobody waits for one.
    pub(crate) fn retire(&self) {
        let is_over = self.with(|calls| {
            calls.close();
            calls.is_over()
        });
        if is_over {
            self.stop();
        }
    }

    /// Ends, if it has no call. Tells whether it does.
    pub(crate) fn retire_if_idle(&self) -> bool {
        let ends = self.with(Calls::close_if_idle);
        if ends {
            self.stop();
        }
        ends
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the calls. One more instance may run once this one takes no more.
    fn with<T>(&self, act: impl FnOnce(&mut Calls) -> T) -> T {
        let (done, closed) = {
            let mut calls = self.calls();
            (act(&mut calls), calls.is_closed())
        };
        if closed && self.counts.swap(false, Ordering::Relaxed) {
            self.instances.one_less();
        }
        done
    }

    /// Serves calls until the instance is retired or traps. Tells why it ended.
    async fn run(self: &Arc<Self>, mut instance: Instance) -> Failed {
        let exports = instance.exports.clone();
        let meter = instance.store.data().meter.clone();
        let meter = self.meter.get_or_init(|| meter);
        instance.store.data_mut().growth.started();
        let trapped = {
            let serving = instance.store.run_concurrent(async |store| {
                let mut served = FuturesUnordered::new();
                // Polled whenever the guest can begin with a call: not while it computes. One call at a time, so that those
                // behind one that computes can go elsewhere.
                poll_fn(|context| {
                    loop {
                        let begun = self.begin().map(|begun| served.push(serve(begun, self, &exports, store)));
                        let before = served.len();
                        if let Some(error) = ended(&mut served, context) {
                            return Poll::Ready(error);
                        }
                        // One that nobody wants any more ends at once, and the guest has nothing to do for it: the next can begin.
                        if begun.is_none() || served.len() >= before {
                            return Poll::Pending;
                        }
                    }
                })
                .await
            });
            tokio::select! {
                biased;
                served = self.take_turns(meter, serving) => Some(served.unwrap_or_else(|error| error)),
                () = self.look_after() => None,
            }
        };
        // Before its seats are given back, with the store.
        self.with(Calls::close);
        let Some(error) = trapped else { return Failed::retired() };
        Failed::trap(&error, instance.store.data_mut().culprit.take())
    }

    fn begin(&self) -> Option<Begun> {
        self.calls().begin()
    }

    /// Polls what an instance does. Where a guest computes for long, the calls behind it go elsewhere, and all that compute
    /// take turns, so that no more of them than threads are in the way of everything else.
    async fn take_turns<F: Future>(self: &Arc<Self>, meter: &Meter, doing: F) -> F::Output {
        let mut doing = pin!(doing);
        let mut turn: Option<BoxFuture<'static, Option<OwnedSemaphorePermit>>> = None;
        poll_fn(move |context| {
            let _turn = match &mut turn {
                Some(turn) => ready!(turn.as_mut().poll(context)),
                None => None,
            };
            turn = None;
            let polled = meter.run(|| doing.as_mut().poll(context));
            if polled.is_pending() && meter.is_computing() {
                turn = Some(Box::pin(self.instances.turn()));
                self.make_way();
                context.waker().wake_by_ref();
            }
            polled
        })
        .await
    }

    /// Hands the calls that the guest has not begun with to other instances.
    fn make_way(self: &Arc<Self>) {
        let (given, reopened) = self.with(Calls::give_back);
        if reopened {
            self.instances.open(self.thread).add(self.clone());
        }
        self.instances.hand_all(given);
    }

    /// Has the instance end.
    fn stop(&self) {
        self.stops.store(true, Ordering::Release);
        self.running.wake();
    }

    /// Looks after the calls of the instance, until there is no more to be done.
    async fn look_after(&self) {
        let mut looking = pin!(self.look());
        poll_fn(|context| match self.stops.load(Ordering::Acquire) {
            true => Poll::Ready(()),
            false => looking.as_mut().poll(context),
        })
        .await;
    }

    async fn look(&self) {
        let Terms { idle, stall, .. } = self.instances.terms();
        let pause = LOOK.min(idle / 4).min(stall / 4).max(Duration::from_millis(1));
        loop {
            tokio::time::sleep(pause).await;
            let is_over = self.with(|calls| {
                calls.look_after(Instant::now());
                calls.is_over()
            });
            if is_over {
                return;
            }
        }
    }

    /// Answers the calls that it has begun with, and hands the others to other instances.
    fn end(&self, why: &Failed) {
        let rest: VecDeque<Job> = self.with(|calls| calls.end(why));
        if why.concerns_all() {
            // Another instance would do no better.
            rest.into_iter().for_each(|job| drop(job.reply.send(Err(why.clone()))));
        } else {
            self.instances.hand_all(rest);
        }
    }
}

/// Takes out the calls that have ended. An error ends the instance.
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

/// Ends a worker even where its task panics, or its runtime shuts down.
struct Ending {
    worker: Arc<Worker>,
    running: Gauge,
    _room: Room,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.worker.end(&Failed::lost());
        self.running.decrement(1);
    }
}
