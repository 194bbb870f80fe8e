//! One instance, seen from outside: takes calls, hands up their answers, and knows when it is done.

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
            calls::{Calls, Job, NextCall, Taken},
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
    /// An instance that took no calls takes calls again.
    fn reopened(&self, worker: Arc<Worker>);

    /// Hands calls that an instance had taken to other instances.
    fn hand_all(self: Arc<Self>, jobs: VecDeque<Job>);

    /// An instance takes no more calls.
    fn one_less(self: Arc<Self>);
}

/// A running instance, seen from outside.
pub(crate) struct Worker {
    calls: Mutex<Calls>,
    /// Polls the instance.
    pub(crate) running: Arc<Loop>,
    /// Whether the instance is to end.
    stops: AtomicBool,
    /// Counts how long the instance computes. Absent until it has started.
    cpu: OnceLock<Arc<CpuClock>>,
    /// Whether the pool counts it as one that takes calls.
    counts: AtomicBool,
    home: Arc<dyn Home>,
    /// The thread whose calls it serves.
    pub(crate) thread: usize,
}

impl Worker {
    /// An instance that has not started, for the calls of this thread. Calls can be handed over at once.
    pub(crate) fn new(home: Arc<dyn Home>, policy: InstancePolicy, thread: usize) -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::new(Calls::new(policy)),
            running: Loop::new(),
            stops: AtomicBool::new(false),
            cpu: OnceLock::new(),
            counts: AtomicBool::new(true),
            home,
            thread,
        })
    }

    /// The instance has started and computes by this clock.
    pub(crate) fn started(&self, cpu: Arc<CpuClock>) -> &Arc<CpuClock> {
        self.cpu.get_or_init(|| cpu)
    }

    /// Takes this call, if there is room for it. Call `handed` afterwards, without any lock.
    pub(crate) fn take(&self, job: Job) -> Taken {
        self.calls().take(job)
    }

    /// Has the instance polled, as soon as this thread comes to it.
    pub(crate) fn handed(&self) {
        self.with(|_| ());
        self.running.wake();
    }

    /// Whether a guest computes for so long that calls should go elsewhere.
    pub(crate) fn is_computing(&self) -> bool {
        self.cpu.get().is_some_and(|cpu| cpu.is_computing())
    }

    /// The next call that the guest is to start.
    pub(crate) fn next(&self) -> Option<NextCall> {
        self.calls().start()
    }

    /// Hands up what the guest answered.
    pub(crate) fn answer(&self, key: usize, answer: Result<Answer, ErrorKind>) {
        let reply = self.calls().reply(key);
        if let Some(reply) = reply {
            // The caller may be gone.
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
            self.home.reopened(self.clone());
        }
        self.home.clone().serve_waiting();
        if left.is_idle && capacity::is_wanted() {
            self.retire_if_idle();
        }
    }

    /// Hands the calls that the guest has not started to other instances.
    pub(crate) fn make_way(self: &Arc<Self>) {
        let (given, reopened) = self.with(Calls::give_back);
        if reopened {
            self.home.reopened(self.clone());
        }
        self.home.clone().hand_all(given);
    }

    /// Takes no more calls. Ends as soon as nobody waits for one.
    pub(crate) fn retire(&self) {
        let is_over = self.with(|calls| {
            calls.close();
            calls.is_over()
        });
        if is_over {
            self.stop();
        }
    }

    /// Ends, if it has no call. Returns whether it does.
    pub(crate) fn retire_if_idle(&self) -> bool {
        let ends = self.with(Calls::close_if_idle);
        if ends {
            self.stop();
        }
        ends
    }

    /// Answers the calls that it has started, and hands the others to other instances.
    pub(crate) fn end(&self, why: &InstanceError) {
        let rest = self.with(|calls| calls.end(why));
        if why.concerns_all() {
            // Another instance would do no better.
            rest.into_iter().for_each(|job| drop(job.reply.send(Err(why.clone()))));
        } else {
            self.home.clone().hand_all(rest);
        }
    }

    /// Whether the instance is to end.
    pub(crate) fn stops(&self) -> bool {
        self.stops.load(Ordering::Acquire)
    }

    /// Does something with the calls. The pool may start one more instance once this one takes no more calls.
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
        self.stops.store(true, Ordering::Release);
        self.running.wake();
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
