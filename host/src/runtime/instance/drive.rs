//! Runs the event loops of instances where their work arises.
//!
//! If a task of the runtime alone polled each loop, every hop would hand the call to another task and back, and often to
//! another thread: more than the hop itself costs. So whoever hands work to a loop polls it, on the thread that it is on,
//! and so do the loops that hand work to each other: not from within one another, which wasmtime does not allow, but one
//! after the other. The loop's own task polls it whenever something else wakes it, a timer or a socket.

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

/// How many polls whoever hands over work makes, before it leaves the rest to the tasks of the loops. Built with
/// `ARCLLM_LOOPS_ALONE=1` it leaves all to them, for a benchmark that shows what these polls are worth.
const POLLS: usize = if option_env!("ARCLLM_LOOPS_ALONE").is_some() { 0 } else { 64 };

thread_local! {
    /// The loops that this thread is about to poll; absent while it polls none.
    static READY: RefCell<Option<VecDeque<Arc<Loop>>>> = const { RefCell::new(None) };
}

/// An event loop.
pub(crate) struct Loop {
    turn: Turn,
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    /// Wakes the loop's own task.
    task: AtomicWaker,
}

/// Does something that may hand work to loops, and has them do it. From within a loop they do it afterwards.
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
    let _end = End;
    let done = hand_over();
    let (mut polls, began) = (0, cpu_clock::ticks());
    while let Some(next) = READY.with_borrow_mut(|ready| ready.as_mut().and_then(VecDeque::pop_front)) {
        // A guest that computes for long is not at the expense of who happens to be here.
        if polls < POLLS && cpu_clock::ticks() == began {
            polls += 1;
            next.run();
        } else {
            next.task.wake();
        }
    }
    done
}

/// Leaves what has not been done to the tasks of the loops.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        let left = READY.with_borrow_mut(Option::take);
        left.into_iter().flatten().for_each(|left| left.task.wake());
    }
}

impl Loop {
    /// A loop that has not been started.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { turn: Turn::new(), future: Mutex::new(None), task: AtomicWaker::new() })
    }

    /// Starts the loop, whose own task runs there. If this thread is handing over work, it polls the loop soon.
    pub(crate) fn start(self: &Arc<Self>, runtime: &Handle, future: impl Future<Output = ()> + Send + 'static) {
        // What a loop uses up is not the budget of the task that happens to poll it.
        let future = Box::pin(tokio::task::unconstrained(future));
        *self.future.lock().unwrap_or_else(PoisonError::into_inner) = Some(future);
        self.clone().schedule();
        let task = Task(self.clone());
        runtime.spawn(std::future::poll_fn(move |context| task.poll(context)));
    }

    /// Has the loop polled: by this thread soon, if it is handing over work, or else by the loop's own task.
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

    /// Polls the loop, if that is due and nobody else does.
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

    /// Whether it has ended.
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

/// The loop's own task. With it, when its runtime shuts down, the loop ends.
struct Task(Arc<Loop>);

impl Task {
    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        self.0.task.register(context.waker());
        with(|| self.0.clone().run());
        if self.0.turn.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.0.turn.is_over() {
            self.0.end();
        }
    }
}

#[cfg(test)]
mod tests;
