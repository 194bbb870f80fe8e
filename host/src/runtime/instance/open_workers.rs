//! The workers that take calls, for each thread.
//!
//! A thread hands its calls to workers of its own and polls them itself, so that threads seldom meet at one instance.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::runtime::instance::{
    calls::{Admission, Job},
    worker::Worker,
};

/// The workers of one thread that take calls. The last used comes first, so that the others fall idle.
#[derive(Default)]
pub(crate) struct OpenWorkers(Mutex<WorkerStack>);

#[derive(Default)]
struct WorkerStack {
    workers: Vec<Arc<Worker>>,
    /// Whether the pool is gone.
    closed: bool,
}

/// The number of this thread. Threads are numbered as they first ask.
pub(crate) fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<Option<usize>> = const { Cell::new(None) });
    NUMBER.with(|number| {
        number.get().unwrap_or_else(|| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(next));
            next
        })
    })
}

impl OpenWorkers {
    /// Adds a worker that takes calls. Retires it if the pool is gone.
    pub(crate) fn add(&self, worker: Arc<Worker>) {
        let mut stack = self.stack();
        if stack.closed {
            drop(stack);
            worker.retire();
        } else {
            stack.workers.push(worker);
        }
    }

    /// Hands the call to a worker. A worker that is computing gets it only if `busy` is set.
    pub(crate) fn take(&self, mut job: Job, busy: bool) -> Result<(), Job> {
        let mut stack = self.stack();
        let mut at = stack.workers.len();
        while let Some(before) = at.checked_sub(1) {
            at = before;
            let Some(worker) = stack.workers.get(at) else { break };
            if !busy && worker.is_busy() {
                continue;
            }
            match worker.take(job) {
                Admission::Seat { last } => {
                    let worker = if last { stack.workers.remove(at) } else { worker.clone() };
                    drop(stack);
                    worker.handed();
                    return Ok(());
                }
                Admission::Closed(refused) => {
                    stack.workers.remove(at);
                    job = refused;
                }
                Admission::Unfit(refused) => job = refused,
            }
        }
        Err(job)
    }

    /// Retires a worker that has no call, the least recently used first. Returns whether there was one.
    pub(crate) fn give_up_idle(&self) -> bool {
        let workers = self.stack().workers.clone();
        workers.iter().any(|worker| worker.retire_if_idle())
    }

    /// Retires all workers, now and when they are added.
    pub(crate) fn close(&self) {
        let workers = {
            let mut stack = self.stack();
            stack.closed = true;
            std::mem::take(&mut stack.workers)
        };
        workers.iter().for_each(|worker| worker.retire());
    }

    /// How many workers there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.stack().workers.len()
    }

    fn stack(&self) -> MutexGuard<'_, WorkerStack> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
