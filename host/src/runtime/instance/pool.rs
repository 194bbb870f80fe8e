//! The instances of one module with one set of settings. Models share them.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError, Weak,
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
            component::{CompiledComponent, Streams},
            hop::Hop,
        },
        instance::{
            calls::{Admission, Job},
            drive,
            error::{InstanceError, ServeResult},
            instance::Instance,
            open_workers::{OpenWorkers, this_thread},
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

/// Instances that start on demand, are reused, and are given up. They end when the pool is dropped.
pub(crate) struct Pool(Arc<PoolInner>);

/// What the instances of a pool share.
struct PoolInner {
    module: Arc<str>,
    compiled: Arc<CompiledComponent>,
    /// The module's settings, as JSON.
    settings: String,
    /// Where the module keeps its state.
    state: Arc<dyn StateStore>,
    policy: InstancePolicy,
    /// The Tokio runtime that the instances run in.
    runtime: Handle,
    /// The turns of guests that compute for long.
    turns: Arc<Semaphore>,
    /// How many instances take calls.
    count: AtomicU32,
    /// The workers that take calls, for each thread.
    open: Box<[OpenWorkers]>,
    /// All workers that have not ended.
    workers: Mutex<Vec<Weak<Worker>>>,
    /// The calls that wait for an instance.
    queue: Queue,
}

impl Pool {
    /// A pool with its first instance, which is configured. All its instances run in the current Tokio runtime.
    pub(crate) fn new(
        module: Arc<str>,
        compiled: Arc<CompiledComponent>,
        settings: String,
        policy: InstancePolicy,
        state: Arc<dyn StateStore>,
        first: Instance,
    ) -> Arc<Self> {
        let runtime = Handle::current();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = Arc::new(PoolInner {
            settings,
            state,
            policy,
            turns: cpu_clock::turns(&runtime),
            runtime,
            count: AtomicU32::new(0),
            open: std::iter::repeat_with(OpenWorkers::default).take(threads).collect(),
            workers: Mutex::default(),
            queue: Queue::new(module.clone()),
            module,
            compiled,
        });
        let tenant: Arc<dyn Tenant> = pool.clone();
        capacity::add(Arc::downgrade(&tenant));
        // Without capacity, the first instance is not kept.
        if let Some(permit) = pool.permit(false) {
            pool.count.fetch_add(1, Ordering::SeqCst);
            let thread = this_thread() % threads;
            pool.open(thread).add(pool.spawn(thread, std::future::ready(Ok(first)), permit));
        }
        Arc::new(Self(pool))
    }

    /// How calls share the instances, and what each instance may use.
    pub(crate) fn policy(&self) -> &InstancePolicy {
        &self.0.policy
    }

    /// Whether the module gets whole answers only.
    pub(crate) fn takes_whole(&self) -> bool {
        self.0.compiled.streams == Streams::Whole
    }

    /// Whether the module reads answers.
    pub(crate) fn reads_answers(&self) -> bool {
        self.0.compiled.streams != Streams::Forwards
    }

    /// Whether the module copies requests.
    pub(crate) fn is_copying(&self) -> bool {
        self.0.compiled.copies
    }

    /// Whether no instance has a call, nor something to note of one.
    pub(crate) fn is_idle(&self) -> bool {
        let workers = self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        workers.iter().filter_map(Weak::upgrade).all(|worker| worker.with(|calls| calls.is_idle()))
    }

    /// Lets an instance serve this call, as soon as one has room. `content` is how many bytes the guest copies. With
    /// `alone`, the call shares no instance.
    pub(crate) async fn serve(&self, request: Arc<Request>, hop: Arc<Hop>, content: usize, alone: bool) -> ServeResult {
        let (reply, served) = oneshot::channel();
        drive::with(|| self.0.hand(Job { request, hop, reply, content, alone }));
        served.await.unwrap_or_else(|_| Err(InstanceError::lost()))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.open.iter().for_each(OpenWorkers::close);
    }
}

impl Tenant for PoolInner {
    fn give_up_idle(&self) -> bool {
        self.open.iter().any(OpenWorkers::give_up_idle)
    }

    fn serve_waiting(self: Arc<Self>) {
        if !self.queue.is_empty() {
            drive::with(|| self.queue.serve(|job| self.place(job)));
        }
    }
}

impl Home for PoolInner {
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

impl PoolInner {
    /// The workers of this thread that take calls.
    fn open(&self, thread: usize) -> &OpenWorkers {
        // There is one entry for each core.
        #[expect(clippy::indexing_slicing, reason = "the remainder is below the length, which is at least one")]
        &self.open[thread % self.open.len()]
    }

    /// Hands a call to an instance, or puts it into the queue.
    fn hand(self: &Arc<Self>, job: Job) {
        // Calls that wait come first.
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
                let _ = job.reply.send(Err(InstanceError::overloaded(limit, &self.policy)));
            }
        }
    }

    /// Hands a call to an instance: of this thread, a new one, of another thread, or one that is computing.
    fn place(self: &Arc<Self>, job: Job) -> Result<(), Job> {
        let home = this_thread() % self.open.len();
        let own = self.open(home);
        let Err(job) = own.take(job, false) else { return Ok(()) };
        if let Some(worker) = self.start_one(home) {
            let taken = worker.take(job);
            worker.handed();
            return match taken {
                Admission::Seat { last: true } => Ok(()),
                Admission::Seat { last: false } => {
                    own.add(worker);
                    Ok(())
                }
                Admission::Closed(job) | Admission::Unfit(job) => Err(job),
            };
        }
        let others = self.open.iter().enumerate().filter(|(thread, _)| *thread != home).map(|(_, open)| open);
        let each = others.clone().map(|open| (open, false)).chain([(own, true)]).chain(others.map(|open| (open, true)));
        let mut waiting = job;
        for (open, busy) in each {
            match open.take(waiting, busy) {
                Ok(()) => return Ok(()),
                Err(job) => waiting = job,
            }
        }
        Err(waiting)
    }

    /// Starts another instance for this thread, if the limits allow it.
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
                Err(_) => Err(InstanceError::new("it refused the settings that it accepted when it was loaded")),
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
        {
            let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
            workers.retain(|worker| worker.strong_count() > 0);
            workers.push(Arc::downgrade(&worker));
        }
        let (policy, runtime, turns) = (self.policy, self.runtime.clone(), self.turns.clone());
        let running = instances(&self.module);
        run::spawn(worker.clone(), starting, Terms { policy, runtime, turns, running, permit });
        worker
    }

    /// A permit for another instance. Without one, the pool is told when there is capacity.
    fn permit(self: &Arc<Self>, is_first: bool) -> Option<Permit> {
        let take = || Permit::take(is_first, self.policy.is_built_in, self.policy.modules_memory);
        take().or_else(|| {
            let tenant: Arc<dyn Tenant> = self.clone();
            capacity::want(Arc::downgrade(&tenant));
            // Capacity may have been given back just before.
            take()
        })
    }

    /// The limit that prevents another instance, if any.
    fn obstacle(&self) -> Option<Obstacle> {
        if self.count.load(Ordering::SeqCst) >= self.policy.max_instances {
            return Some(Obstacle { limit: Limit::Instances, passes: true });
        }
        capacity::obstacle(self.policy.is_built_in, self.policy.modules_memory)
    }
}

#[cfg(test)]
mod tests;
