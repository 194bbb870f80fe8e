//! The instances that take calls, by the thread whose calls they serve.
//!
//! A thread hands its calls to instances of its own, which it polls itself, so that threads seldom meet at one instance.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::runtime::instance::{
    calls::{Job, Taken},
    worker::Worker,
};

/// The instances of one thread that take calls. The one used last comes first, so that others fall idle.
#[derive(Default)]
pub(crate) struct Open(Mutex<Stack>);

#[derive(Default)]
struct Stack {
    workers: Vec<Arc<Worker>>,
    /// Whether the pool is gone.
    closed: bool,
}

/// This thread's number. Threads are numbered in the order in which they first ask.
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

impl Open {
    /// Takes an instance in that takes calls. Of a pool that is gone, it is retired.
    pub(crate) fn add(&self, worker: Arc<Worker>) {
        let mut stack = self.stack();
        if stack.closed {
            drop(stack);
            worker.retire();
        } else {
            stack.workers.push(worker);
        }
    }

    /// Hands the call to an instance; to one that is computing only if it may be `busy`.
    pub(crate) fn take(&self, mut job: Job, busy: bool) -> Result<(), Job> {
        let mut stack = self.stack();
        let mut at = stack.workers.len();
        while let Some(before) = at.checked_sub(1) {
            at = before;
            let Some(worker) = stack.workers.get(at) else { break };
            if !busy && worker.is_computing() {
                continue;
            }
            match worker.take(job) {
                Taken::Seat { last } => {
                    let worker = if last { stack.workers.remove(at) } else { worker.clone() };
                    drop(stack);
                    worker.handed();
                    return Ok(());
                }
                Taken::Closed(refused) => {
                    stack.workers.remove(at);
                    job = refused;
                }
                Taken::Unfit(refused) => job = refused,
            }
        }
        Err(job)
    }

    /// Gives up an instance that has no call, the one that was used least lately. Tells whether there was one.
    pub(crate) fn give_up_idle(&self) -> bool {
        let workers = self.stack().workers.clone();
        workers.iter().any(|worker| worker.retire_if_idle())
    }

    /// Retires them all, and whatever is added later.
    pub(crate) fn close(&self) {
        let workers = {
            let mut stack = self.stack();
            stack.closed = true;
            std::mem::take(&mut stack.workers)
        };
        workers.iter().for_each(|worker| worker.retire());
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.stack().workers.len()
    }

    fn stack(&self) -> MutexGuard<'_, Stack> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
