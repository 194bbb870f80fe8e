//! The instances of one module with one set of settings, shared by every model whose chain has it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
};

use crate::{
    chat::request::Request,
    runtime::{
        guest::{
            component::{Compiled, Streams},
            hop::Hop,
        },
        instance::{
            calls::{Job, Taken},
            drive,
            error::{InstanceError, Served},
            instance::Instance,
            open::{Open, this_thread},
            queue::Queue,
            run::{self, Terms},
            worker::{Home, Worker},
        },
        limits::{
            capacity::{self, Obstacle, Permit, Tenant},
            cpu_clock,
            limit::Limit,
            policy::InstancePolicy,
        },
    },
    state::state_store::StateStore,
    telemetry::meters::instances,
};

/// Instances that are made on demand, reused and given up. They end when the pool is dropped.
pub(crate) struct Pool(Arc<Instances>);

/// What the instances of a pool have in common.
struct Instances {
    module: Arc<str>,
    compiled: Arc<Compiled>,
    /// The module's settings, as JSON.
    settings: String,
    /// Where the module keeps its state.
    state: Arc<dyn StateStore>,
    policy: InstancePolicy,
    /// Where the instances run.
    runtime: Handle,
    /// Whose turn it is to compute for long.
    turns: Arc<Semaphore>,
    /// How many instances take calls.
    count: AtomicU32,
    /// The instances that take calls, by the thread whose calls they serve.
    open: Box<[Open]>,
    /// The calls that wait for an instance.
    queue: Queue,
}

impl Pool {
    /// A pool with its first instance, which has been configured already. Its instances run in this Tokio runtime.
    pub(crate) fn new(
        module: Arc<str>,
        compiled: Arc<Compiled>,
        settings: String,
        policy: InstancePolicy,
        state: Arc<dyn StateStore>,
        first: Instance,
    ) -> Arc<Self> {
        let runtime = Handle::current();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = Arc::new(Instances {
            settings,
            state,
            policy,
            turns: cpu_clock::turns(&runtime),
            runtime,
            count: AtomicU32::new(0),
            open: std::iter::repeat_with(Open::default).take(threads).collect(),
            queue: Queue::new(module.clone()),
            module,
            compiled,
        });
        let tenant: Arc<dyn Tenant> = pool.clone();
        capacity::add(Arc::downgrade(&tenant));
        // If there is no capacity for it, it is not kept.
        if let Some(permit) = pool.permit(false) {
            pool.count.fetch_add(1, Ordering::SeqCst);
            let thread = this_thread() % threads;
            pool.open(thread).add(pool.spawn(thread, std::future::ready(Ok(first)), permit));
        }
        Arc::new(Self(pool))
    }

    /// How calls share the instances, and what each of them may use.
    pub(crate) fn policy(&self) -> &InstancePolicy {
        &self.0.policy
    }

    /// Whether the module is given whole answers only.
    pub(crate) fn takes_whole(&self) -> bool {
        self.0.compiled.streams == Streams::Whole
    }

    /// Whether the module copies requests.
    pub(crate) fn copies(&self) -> bool {
        self.0.compiled.copies
    }

    /// Lets an instance serve this call, as soon as there is one for it. `content` is the number of bytes that the guest
    /// copies, and `alone` keeps it away from other calls.
    pub(crate) async fn serve(&self, request: Arc<Request>, hop: Arc<Hop>, content: usize, alone: bool) -> Served {
        let (reply, served) = oneshot::channel();
        drive::with(|| self.0.hand(Job { request, hop, reply, content, alone }));
        served.await.unwrap_or_else(|_| Err(InstanceError::lost()))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.open.iter().for_each(Open::close);
    }
}

impl Tenant for Instances {
    fn give_up_idle(&self) -> bool {
        self.open.iter().any(Open::give_up_idle)
    }

    fn serve_waiting(self: Arc<Self>) {
        if !self.queue.is_empty() {
            drive::with(|| self.queue.serve(|job| self.place(job)));
        }
    }
}

impl Home for Instances {
    fn reopened(&self, worker: Arc<Worker>) {
        self.open(worker.thread).add(worker);
    }

    fn hand_all(self: Arc<Self>, jobs: VecDeque<Job>) {
        drive::with(|| jobs.into_iter().filter(|job| !job.is_abandoned()).for_each(|job| self.hand(job)));
    }

    fn one_less(self: Arc<Self>) {
        self.count.fetch_sub(1, Ordering::SeqCst);
        self.serve_waiting();
    }
}

impl Instances {
    /// The instances of this thread that take calls.
    fn open(&self, thread: usize) -> &Open {
        // There is one for each core, which is at least one.
        #[expect(clippy::indexing_slicing, reason = "the remainder is below the length, which is at least one")]
        &self.open[thread % self.open.len()]
    }

    /// Hands a call to an instance, or puts it into the queue.
    fn hand(self: &Arc<Self>, job: Job) {
        // The calls that wait come first.
        let placed = if self.queue.is_empty() { self.place(job) } else { Err(job) };
        let Err(job) = placed else { return };
        let obstacle = self.obstacle();
        let refused = if obstacle.is_some_and(|obstacle| !obstacle.passes) {
            Err(job)
        } else {
            self.queue.push(job, usize::try_from(self.policy.max_queued).unwrap_or(usize::MAX))
        };
        match refused {
            Ok(()) => self.clone().serve_waiting(),
            Err(job) => {
                let limit = obstacle.map_or(Limit::Instances, |obstacle| obstacle.limit);
                // The caller may be gone.
                let _ = job.reply.send(Err(InstanceError::overloaded(limit, self.policy.max_queued)));
            }
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

    /// Starts one more instance for the calls of this thread, if there may be one.
    fn start_one(self: &Arc<Self>, thread: usize) -> Option<Arc<Worker>> {
        let most = self.policy.max_instances;
        let one_more = |count| (count < most).then_some(count + 1);
        self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        let Some(permit) = self.permit(self.count.load(Ordering::SeqCst) <= 1) else {
            self.count.fetch_sub(1, Ordering::SeqCst);
            return None;
        };
        let (module, compiled) = (self.module.clone(), self.compiled.clone());
        let (settings, policy, state) = (self.settings.clone(), self.policy, self.state.clone());
        let starting = async move {
            let failed = |reason: String| InstanceError::new(format!("it did not start: {reason}"));
            let mut instance = Instance::start(module, &compiled, policy, &*state).await.map_err(failed)?;
            match instance.configure(settings).await.map_err(failed)? {
                Ok(()) => Ok(instance),
                Err(_) => Err(InstanceError::new("it refused the settings that it took before")),
            }
        };
        Some(self.spawn(thread, starting, permit))
    }

    fn spawn(
        self: &Arc<Self>,
        thread: usize,
        starting: impl Future<Output = Result<Instance, InstanceError>> + Send + 'static,
        permit: Permit,
    ) -> Arc<Worker> {
        let worker = Worker::new(self.clone(), self.policy, thread);
        let (policy, runtime, turns) = (self.policy, self.runtime.clone(), self.turns.clone());
        let running = instances(&self.module);
        run::spawn(worker.clone(), starting, Terms { policy, runtime, turns, running, permit });
        worker
    }

    /// A permit for one more instance. Where there is none, the pool is told when there is.
    fn permit(self: &Arc<Self>, is_first: bool) -> Option<Permit> {
        let take = || Permit::take(is_first, self.policy.is_built_in, self.policy.modules_memory);
        take().or_else(|| {
            let tenant: Arc<dyn Tenant> = self.clone();
            capacity::want(Arc::downgrade(&tenant));
            // Some may have been given back just before.
            take()
        })
    }

    /// What stands in the way of one more instance.
    fn obstacle(&self) -> Option<Obstacle> {
        if self.count.load(Ordering::SeqCst) >= self.policy.max_instances {
            return Some(Obstacle { limit: Limit::Instances, passes: true });
        }
        capacity::obstacle(self.policy.is_built_in, self.policy.modules_memory)
    }
}

#[cfg(test)]
mod tests;
