//! An instance as its pool sees it: takes calls, passes on their answers, and knows when it is done.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    adapter::answer::Answer,
    chat::error::ErrorKind,
    runtime::{
        instance::{
            calls::{Admission, Calls, Job, NextCall},
            drive::Loop,
            error::InstanceError,
        },
        limits::{
            capacity::{self, Tenant},
            cpu_clock::CpuClock,
            policy::InstancePolicy,
        },
    },
};

/// The pool that an instance belongs to.
pub(crate) trait Home: Tenant {
    /// A worker takes calls again.
    fn reopened(&self, worker: Arc<Worker>);

    /// Hands calls that a worker has not begun with to other workers.
    fn hand_all(self: Arc<Self>, jobs: VecDeque<Job>);

    /// A worker takes no more calls.
    fn one_less(self: Arc<Self>);
}

/// An instance as its pool sees it.
pub(crate) struct Worker {
    calls: Mutex<Calls>,
    /// The event loop of the instance.
    pub(crate) running: Arc<Loop>,
    /// Whether the instance is to end.
    is_stopping: AtomicBool,
    /// Counts how long the instance computes. Absent until it has started.
    cpu: OnceLock<Arc<CpuClock>>,
    /// Whether the pool counts it among the workers that take calls.
    counts: AtomicBool,
    home: Arc<dyn Home>,
    /// The thread whose calls it serves.
    pub(crate) thread: usize,
}

impl Worker {
    /// A worker for the calls of this thread. It takes calls at once, before its instance has started.
    pub(crate) fn new(home: Arc<dyn Home>, policy: InstancePolicy, thread: usize) -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::new(Calls::new(policy)),
            running: Loop::new(),
            is_stopping: AtomicBool::new(false),
            cpu: OnceLock::new(),
            counts: AtomicBool::new(true),
            home,
            thread,
        })
    }

    /// Notes that the instance has started and computes by this clock.
    pub(crate) fn started(&self, cpu: Arc<CpuClock>) -> &Arc<CpuClock> {
        self.cpu.get_or_init(|| cpu)
    }

    /// Takes this call, if there is room. Call `handed` afterwards, without holding a lock.
    pub(crate) fn take(&self, job: Job) -> Admission {
        self.calls().take(job)
    }

    /// Gets the instance polled, soon and by this thread.
    pub(crate) fn handed(&self) {
        self.with(|_| ());
        self.running.wake();
    }

    /// Whether a guest computes or blocks for so long that calls should go to other workers.
    pub(crate) fn is_busy(&self) -> bool {
        self.cpu.get().is_some_and(|cpu| cpu.is_computing() || cpu.is_blocked())
    }

    /// The next call for the guest.
    pub(crate) fn next(&self) -> Option<NextCall> {
        self.calls().start()
    }

    /// Sends the caller what the guest answered.
    pub(crate) fn answer(&self, key: usize, answer: Result<Answer, ErrorKind>) {
        let reply = self.calls().reply(key);
        if let Some(reply) = reply {
            // The caller may be gone.
            let _ = reply.send(Ok(Box::new(answer)));
        }
    }

    /// Removes a call that has ended.
    pub(crate) fn leave(self: &Arc<Self>, key: usize) {
        let left = self.with(|calls| calls.leave(key));
        if left.is_over {
            self.stop();
        }
        if left.reopened {
            self.home.reopened(self.clone());
        }
        self.home.clone().serve_waiting();
        if left.is_idle && capacity::is_wanted() {
            self.retire_if_idle();
        }
    }

    /// Hands the calls that the guest has not begun with to other workers.
    pub(crate) fn make_way(self: &Arc<Self>) {
        let (given, reopened) = self.with(Calls::give_back);
        if reopened {
            self.home.reopened(self.clone());
        }
        self.home.clone().hand_all(given);
    }

    /// Takes no more calls. Ends when nobody waits for the calls that it has.
    pub(crate) fn retire(&self) {
        let is_over = self.with(|calls| {
            calls.close();
            calls.is_over()
        });
        if is_over {
            self.stop();
        }
    }

    /// Ends if it has no call. Returns whether it does.
    pub(crate) fn retire_if_idle(&self) -> bool {
        let ends = self.with(Calls::close_if_idle);
        if ends {
            self.stop();
        }
        ends
    }

    /// Answers the calls that the guest has begun with, and hands the others to other workers.
    pub(crate) fn end(&self, why: &InstanceError) {
        let rest = self.with(|calls| calls.end(why));
        if why.is_of_all_calls() {
            // Another instance would do no better.
            rest.into_iter().for_each(|job| drop(job.reply.send(Err(why.clone()))));
        } else {
            self.home.clone().hand_all(rest);
        }
    }

    /// Whether the instance is to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Runs `act` on the calls. If the worker then takes no more calls, the pool may start another.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Calls) -> T) -> T {
        let (done, closed) = {
            let mut calls = self.calls();
            (act(&mut calls), calls.is_closed())
        };
        if closed && self.counts.swap(false, Ordering::Relaxed) {
            self.home.clone().one_less();
        }
        done
    }

    fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.running.wake();
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
