//! The instances of one module with one set of settings, shared by every model whose chain has it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
};

use crate::telemetry::meters::instances;
use crate::{
    chat::request::Request,
    config::sandbox::{OnTrap, Sandbox},
    runtime::{
        guest::{
            component::{Compiled, Streams},
            handles::Hop,
        },
        instance::{
            calls::{Job, Taken, Terms},
            drive,
            failed::{Failed, Outcome},
            instance::Instance,
            open::{Open, this_thread},
            queue::Queue,
            worker::Worker,
        },
        limits::{
            cpu,
            limits::{Caps, Limit},
            room::{self, NoRoom, Room},
        },
    },
    state::state_store::StateStore,
};

/// Instances, made on demand, reused, and given up. They are retired when it is dropped.
pub(crate) struct Pool(Arc<Instances>);

/// What the instances of a pool have in common.
pub(crate) struct Instances {
    module: Arc<str>,
    compiled: Arc<Compiled>,
    /// The module's settings, as JSON.
    settings: String,
    /// Where the module keeps what it may keep.
    state: Arc<dyn StateStore>,
    share: Share,
    /// Where the instances run.
    pub(crate) runtime: Handle,
    /// Whose turn it is to compute for long.
    turns: Arc<Semaphore>,
    /// How many take calls.
    count: AtomicU32,
    /// Those that take calls, by the thread whose calls they serve.
    open: Box<[Open]>,
    /// The calls for which there is none.
    queue: Queue,
}

/// How calls share instances, and what an instance may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) caps: Caps,
    pub(crate) on_trap: OnTrap,
    max_instances: u32,
    max_queued: u32,
    /// Bytes that the instances of the process may take in all.
    modules_memory: usize,
    terms: Terms,
    is_built_in: bool,
}

impl Share {
    /// What a sandbox says, with so many calls to an instance.
    pub(crate) fn new(sandbox: &Sandbox, most: u32, modules_memory: usize, is_built_in: bool) -> Self {
        let caps = Caps { limits: sandbox.limits, calls: most };
        let terms = Terms {
            most,
            content: caps.content(),
            calls: if sandbox.fresh { 1 } else { sandbox.retire_after_calls },
            idle: sandbox.retire_after_idle,
            stall: sandbox.limits.stall,
        };
        Self {
            caps,
            on_trap: sandbox.on_trap,
            max_instances: sandbox.max_instances,
            max_queued: sandbox.max_queued,
            modules_memory,
            terms,
            is_built_in,
        }
    }
}

impl Pool {
    /// A pool with its first instance, which has been described and configured already. Its instances run in this Tokio
    /// runtime.
    pub(crate) fn new(
        module: Arc<str>,
        compiled: Arc<Compiled>,
        settings: String,
        share: Share,
        state: Arc<dyn StateStore>,
        first: Instance,
    ) -> Arc<Self> {
        let runtime = Handle::current();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let instances = Arc::new(Instances {
            settings,
            state,
            share,
            turns: cpu::turns(&runtime),
            runtime,
            count: AtomicU32::new(0),
            open: std::iter::repeat_with(Open::default).take(threads).collect(),
            queue: Queue::new(module.clone()),
            module,
            compiled,
        });
        room::enter(Arc::downgrade(&instances));
        // If there is no room for it, it is not kept.
        if let Some(room) = instances.room(false) {
            instances.count.fetch_add(1, Ordering::SeqCst);
            let thread = this_thread() % threads;
            instances.open(thread).add(instances.spawn(thread, std::future::ready(Ok(first)), room));
        }
        Arc::new(Self(instances))
    }

    /// What becomes of a call that the module cannot serve.
    pub(crate) fn on_trap(&self) -> OnTrap {
        self.0.share.on_trap
    }

    /// Whether the module is given whole answers only.
    pub(crate) fn takes_whole(&self) -> bool {
        self.0.compiled.streams == Streams::Whole
    }

    /// Whether the module copies requests.
    pub(crate) fn copies(&self) -> bool {
        self.0.compiled.copies
    }

    /// What an instance may use.
    pub(crate) fn caps(&self) -> &Caps {
        &self.0.share.caps
    }

    /// Has an instance serve this call, as soon as there is one for it. `content` are the bytes that the guest copies, and
    /// `alone` keeps it away from other calls.
    pub(crate) async fn serve(&self, request: Arc<Request>, hop: Arc<Hop>, content: usize, alone: bool) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        drive::with(|| self.0.hand(Job { request, hop, reply, content, alone }));
        outcome.await.unwrap_or_else(|_| Err(Failed::lost()))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.open.iter().for_each(Open::close);
    }
}

impl Instances {
    /// When an instance is given up.
    pub(crate) fn terms(&self) -> Terms {
        self.share.terms
    }

    /// Those of this thread.
    pub(crate) fn open(&self, thread: usize) -> &Open {
        // There is one for each core, which is at least one.
        #[expect(clippy::indexing_slicing, reason = "the remainder is below the length, which is at least one")]
        &self.open[thread % self.open.len()]
    }

    /// Hands a call to an instance, or has it wait for one.
    pub(crate) fn hand(self: &Arc<Self>, job: Job) {
        // Those that wait already come first.
        let placed = if self.queue.is_empty() { self.place(job) } else { Err(job) };
        let Err(job) = placed else { return };
        let obstacle = self.obstacle();
        let refused = if obstacle.is_some_and(|obstacle| !obstacle.passes) {
            Err(job)
        } else {
            self.queue.push(job, usize::try_from(self.share.max_queued).unwrap_or(usize::MAX))
        };
        match refused {
            Ok(()) => self.serve_waiting(),
            Err(job) => {
                let limit = obstacle.map_or(Limit::Instances, |obstacle| obstacle.limit);
                // Nobody may be waiting any more.
                let _ = job.reply.send(Err(Failed::overloaded(limit, self.share.max_queued)));
            }
        }
    }

    /// Hands calls that another instance had taken to instances.
    pub(crate) fn hand_all(self: &Arc<Self>, jobs: impl IntoIterator<Item = Job>) {
        drive::with(|| jobs.into_iter().filter(|job| !job.is_abandoned()).for_each(|job| self.hand(job)));
    }

    /// Hands on the calls that wait, as far as there is room for them now.
    pub(crate) fn serve_waiting(self: &Arc<Self>) {
        if !self.queue.is_empty() {
            drive::with(|| self.queue.serve(|job| self.place(job)));
        }
    }

    /// An instance takes no more calls.
    pub(crate) fn one_less(self: &Arc<Self>) {
        self.count.fetch_sub(1, Ordering::SeqCst);
        self.serve_waiting();
    }

    /// Gives up an instance that has no call, so that there is room for another. Tells whether there was one.
    pub(crate) fn give_up_idle(&self) -> bool {
        self.open.iter().any(Open::give_up_idle)
    }

    /// Waits for one's turn to compute on: as many compute for long at once as the runtime has threads, and everything
    /// else that is ready comes before each of them.
    pub(crate) fn turn(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send + 'static {
        let turns = self.turns.clone();
        async move {
            let turn = turns.acquire_owned().await.ok();
            tokio::task::yield_now().await;
            turn
        }
    }

    /// Hands a call to an instance: of this thread, or a new one, or of another thread, or one that is computing.
    fn place(self: &Arc<Self>, job: Job) -> Result<(), Job> {
        let home = this_thread() % self.open.len();
        let own = self.open(home);
        let Err(job) = own.take(job, false) else { return Ok(()) };
        if let Some(worker) = self.start_one(home) {
            let taken = worker.take(job);
            worker.handed();
            return match taken {
                Taken::Seat { last: true } => Ok(()),
                Taken::Seat { last: false } => {
                    own.add(worker);
                    Ok(())
                }
                Taken::Closed(job) | Taken::Unfit(job) => Err(job),
            };
        }
        let others = self.open.iter().enumerate().filter(|(thread, _)| *thread != home).map(|(_, open)| open);
        let each = others.clone().map(|open| (open, false)).chain([(own, true)]).chain(others.map(|open| (open, true)));
        let mut left = job;
        for (open, busy) in each {
            match open.take(left, busy) {
                Ok(()) => return Ok(()),
                Err(job) => left = job,
            }
        }
        Err(left)
    }

    /// One more instance for the calls of this thread, if there may be one.
    fn start_one(self: &Arc<Self>, thread: usize) -> Option<Arc<Worker>> {
        let most = self.share.max_instances;
        let one_more = |count| (count < most).then_some(count + 1);
        self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        let Some(room) = self.room(self.count.load(Ordering::SeqCst) <= 1) else {
            self.count.fetch_sub(1, Ordering::SeqCst);
            return None;
        };
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
        Some(self.spawn(thread, starting, room))
    }

    fn spawn(
        self: &Arc<Self>,
        thread: usize,
        starting: impl Future<Output = Result<Instance, Failed>> + Send + 'static,
        room: Room,
    ) -> Arc<Worker> {
        Worker::spawn(self.clone(), thread, starting, instances(&self.module), room)
    }

    /// Room for one more instance. Where there is none, this is told when there is.
    fn room(self: &Arc<Self>, is_first: bool) -> Option<Room> {
        let take = || Room::take(is_first, self.share.is_built_in, self.share.modules_memory);
        take().or_else(|| {
            room::want(Arc::downgrade(self));
            // Some may have been given back just before.
            take()
        })
    }

    /// What stands in the way of one more instance.
    fn obstacle(&self) -> Option<NoRoom> {
        if self.count.load(Ordering::SeqCst) >= self.share.max_instances {
            return Some(NoRoom { limit: Limit::Instances, passes: true });
        }
        room::obstacle(self.share.is_built_in, self.share.modules_memory)
    }
}

#[cfg(test)]
mod tests;
