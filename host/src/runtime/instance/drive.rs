//! Runs the event loops of instances on the threads that have work for them.
//!
//! A loop that only its own task polls costs each hop two switches to other tasks, often on other threads. That is more
//! than the hop itself. So a thread that hands work to a loop polls the loop itself. Loops that hand work to each other
//! are polled one after the other, since wasmtime does not allow a poll within a poll. The loop's own task polls it
//! when a timer or a socket wakes it.

use std::{
    cell::RefCell,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use futures::{future::BoxFuture, task::AtomicWaker};
use tokio::runtime::Handle;

use crate::runtime::{instance::turn::Turn, limits::cpu_clock};

/// How many polls a thread makes when it hands over work. The tasks of the loops make the others. A build with
/// `ARCLLM_LOOPS_ALONE=1` makes none here, so that a benchmark can show what they are worth.
const POLLS: usize = if option_env!("ARCLLM_LOOPS_ALONE").is_some() { 0 } else { 64 };

thread_local! {
    /// The loops that this thread is about to poll. Absent while it polls none.
    static READY: RefCell<Option<VecDeque<Arc<Loop>>>> = const { RefCell::new(None) };
}

/// An event loop of one instance.
pub(crate) struct Loop {
    turn: Turn,
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    /// Wakes the loop's own task.
    task: AtomicWaker,
}

/// Runs `hand_over`, which may hand work to loops, and then polls these loops. Inside of a loop, they are polled after
/// it.
pub(crate) fn with<T>(hand_over: impl FnOnce() -> T) -> T {
    let begins = READY.with_borrow_mut(|ready| match ready {
        Some(_) => false,
        None => {
            *ready = Some(VecDeque::new());
            true
        }
    });
    if !begins {
        return hand_over();
    }
    let _end = HandOverGuard;
    let done = hand_over();
    let (mut polls, began) = (0, cpu_clock::ticks());
    while let Some(next) = READY.with_borrow_mut(|ready| ready.as_mut().and_then(VecDeque::pop_front)) {
        // A guest that computes for long must not hold up this thread's caller.
        if polls < POLLS && cpu_clock::ticks() == began {
            polls += 1;
            next.run();
        } else {
            next.task.wake();
        }
    }
    done
}

/// Leaves the loops that were not polled to their own tasks.
struct HandOverGuard;

impl Drop for HandOverGuard {
    fn drop(&mut self) {
        let left = READY.with_borrow_mut(Option::take);
        left.into_iter().flatten().for_each(|left| left.task.wake());
    }
}

impl Loop {
    /// A loop that has not started.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { turn: Turn::new(), future: Mutex::new(None), task: AtomicWaker::new() })
    }

    /// Starts the loop, with a task of its own in `runtime`. If this thread is handing over work, it polls the loop
    /// soon.
    pub(crate) fn start(self: &Arc<Self>, runtime: &Handle, future: impl Future<Output = ()> + Send + 'static) {
        // A loop must not use up the budget of the task that happens to poll it.
        let future = Box::pin(tokio::task::unconstrained(future));
        *self.future.lock().unwrap_or_else(PoisonError::into_inner) = Some(future);
        self.clone().schedule();
        let task = LoopTask(self.clone());
        runtime.spawn(std::future::poll_fn(move |context| task.poll(context)));
    }

    /// Gets the loop polled: by this thread if it is handing over work, or else by the loop's own task.
    pub(crate) fn wake(self: &Arc<Self>) {
        if self.turn.wake() {
            self.clone().schedule();
        }
    }

    fn schedule(self: Arc<Self>) {
        let elsewhere = READY.with_borrow_mut(|ready| match ready {
            Some(ready) => {
                ready.push_back(self);
                None
            }
            None => Some(self),
        });
        if let Some(elsewhere) = elsewhere {
            elsewhere.task.wake();
        }
    }

    /// Polls the loop, if it is due and no other thread does.
    fn run(self: Arc<Self>) {
        if !self.turn.take() {
            return;
        }
        if self.poll() {
            self.end();
        } else if self.turn.pause() {
            self.schedule();
        }
    }

    /// Polls the loop. Returns whether it has ended.
    fn poll(self: &Arc<Self>) -> bool {
        let mut future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = future.as_mut() else { return true };
        let waker = Waker::from(self.clone());
        let polled = catch_unwind(AssertUnwindSafe(|| pin!(running).poll(&mut Context::from_waker(&waker))));
        // A panic ends the loop, not the task that happens to poll it.
        !matches!(polled, Ok(Poll::Pending))
    }

    fn end(&self) {
        self.turn.end();
        let ended = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(ended);
        self.task.wake();
    }
}

impl Wake for Loop {
    fn wake(self: Arc<Self>) {
        Loop::wake(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Loop::wake(self);
    }
}

/// The loop's own task. The loop ends with it when its runtime shuts down.
struct LoopTask(Arc<Loop>);

impl LoopTask {
    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        self.0.task.register(context.waker());
        with(|| self.0.clone().run());
        if self.0.turn.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for LoopTask {
    fn drop(&mut self) {
        if !self.0.turn.is_over() {
            self.0.end();
        }
    }
}

#[cfg(test)]
mod tests;
