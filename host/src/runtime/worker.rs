//! One instance and its event loop: takes calls from a channel and serves them side by side, until it is retired.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use metrics::Gauge;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

use super::{
    calls::{Calls, Left, Taken, Terms},
    drive,
    failed::{Failed, Outcome},
    handles::Hop,
    instance::Instance,
    room::Room,
    serve::{Job, Serve},
};

/// How often an instance is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// A running instance, seen from outside.
pub(super) struct Worker {
    jobs: mpsc::UnboundedSender<Job>,
    calls: Mutex<Calls>,
    /// Fires when the instance is to end.
    stop: Notify,
}

impl Worker {
    /// Runs an instance that is being made by `starting`. Calls can be handed over at once.
    pub(super) fn spawn(
        starting: impl Future<Output = Result<Instance, Failed>> + Send + 'static,
        terms: Terms,
        running: Gauge,
        room: Room,
    ) -> Arc<Self> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let worker = Arc::new(Self { jobs, calls: Mutex::new(Calls::new(terms)), stop: Notify::new() });
        running.increment(1);
        let ending = Ending { worker: worker.clone(), running, _room: room };
        drive::spawn(async move {
            let why = match starting.await {
                Ok(instance) => ending.worker.run(instance, queue, terms).await,
                Err(why) => why,
            };
            ending.worker.calls().end(&why);
        });
        worker
    }

    /// A seat for this call, unless all are taken or the instance takes no more.
    pub(super) fn take(&self, hop: &Arc<Hop>, reply: oneshot::Sender<Outcome>) -> Taken {
        self.calls().take(hop, reply)
    }

    /// Hands over a call that has a seat.
    pub(super) fn hand(&self, job: Job) {
        // If the instance has ended meanwhile, that answers the call.
        let _ = self.jobs.send(job);
    }

    /// Where the answer of a call goes, if anybody waits for it.
    pub(super) fn reply(&self, key: usize) -> Option<oneshot::Sender<Outcome>> {
        self.calls().reply(key)
    }

    /// Gives a seat back.
    pub(super) fn leave(&self, key: usize) -> Left {
        let left = self.calls().leave(key);
        if left.is_over {
            self.stop.notify_one();
        }
        left
    }

    /// Takes no more calls; ends as soon as nobody waits for one.
    pub(super) fn retire(&self) {
        let mut calls = self.calls();
        calls.close();
        if calls.is_over() {
            self.stop.notify_one();
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves calls until the instance is retired or traps. Tells why it ended.
    async fn run(&self, mut instance: Instance, mut queue: mpsc::UnboundedReceiver<Job>, terms: Terms) -> Failed {
        let exports = instance.exports.clone();
        let meter = instance.store.data().meter.clone();
        instance.store.data_mut().growth.started();
        let trapped = {
            let serving = instance.store.run_concurrent(async |store| {
                while let Some(job) = queue.recv().await {
                    store.spawn(Serve::new(job, exports.clone()))?;
                }
                Ok::<_, wasmtime::Error>(())
            });
            tokio::select! {
                biased;
                served = meter.watch(serving) => served.and_then(|served| served).err(),
                () = self.stop.notified() => None,
                () = self.look_after(terms) => None,
            }
        };
        // Before its seats are given back, with the store.
        self.calls().close();
        let Some(error) = trapped else { return Failed::retired() };
        Failed::trap(&error, instance.store.data_mut().culprit.take())
    }

    /// Looks after the calls of the instance, until there is no more to be done.
    async fn look_after(&self, terms: Terms) {
        let pause = LOOK.min(terms.idle / 4).min(terms.stall / 4).max(Duration::from_millis(1));
        loop {
            tokio::time::sleep(pause).await;
            let mut calls = self.calls();
            calls.look_after(Instant::now());
            if calls.is_over() {
                return;
            }
        }
    }
}

/// Ends a worker even where its task panics, or its runtime shuts down.
struct Ending {
    worker: Arc<Worker>,
    running: Gauge,
    _room: Room,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.worker.calls().end(&Failed::lost());
        self.running.decrement(1);
    }
}
