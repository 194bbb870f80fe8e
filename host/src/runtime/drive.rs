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
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::{future::BoxFuture, task::AtomicWaker};

use super::cpu;

/// How many polls whoever hands over work makes, before it leaves the rest to the tasks of the loops.
const POLLS: usize = 64;

/// Nothing to do.
const IDLE: u8 = 0;
/// Somebody is about to poll it.
const SCHEDULED: u8 = 1;
/// It is being polled.
const RUNNING: u8 = 2;
/// It is being polled, and has to be once more.
const AGAIN: u8 = 3;
/// It has ended.
const OVER: u8 = 4;

thread_local! {
    /// The loops that this thread is about to poll; absent while it polls none.
    static READY: RefCell<Option<VecDeque<Arc<Loop>>>> = const { RefCell::new(None) };
}

/// An event loop.
pub(super) struct Loop {
    state: AtomicU8,
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    /// Wakes the loop's own task.
    task: AtomicWaker,
}

/// Starts an event loop. If this thread is handing over work, it polls the loop soon.
pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    // What a loop uses up is not the budget of the task that happens to poll it.
    let future = Mutex::new(Some(Box::pin(tokio::task::unconstrained(future)) as BoxFuture<'static, ()>));
    let started = Arc::new(Loop { state: AtomicU8::new(SCHEDULED), future, task: AtomicWaker::new() });
    started.clone().schedule();
    let task = Task(started);
    tokio::spawn(std::future::poll_fn(move |context| task.poll(context)));
}

/// Does something that may hand work to loops, and has them do it. From within a loop they do it afterwards.
pub(super) fn with<T>(hand_over: impl FnOnce() -> T) -> T {
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
    let (mut polls, began) = (0, cpu::ticks());
    while let Some(next) = READY.with_borrow_mut(|ready| ready.as_mut().and_then(VecDeque::pop_front)) {
        // A guest that computes for long is not at the expense of who happens to be here.
        if polls < POLLS && cpu::ticks() == began {
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
        if self.state.compare_exchange(SCHEDULED, RUNNING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return;
        }
        if self.poll() {
            self.end();
        } else if self.state.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // Woken meanwhile, or ended with its runtime.
            if self.state.compare_exchange(AGAIN, SCHEDULED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                self.schedule();
            }
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
        self.state.store(OVER, Ordering::Release);
        let ended = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(ended);
        self.task.wake();
    }
}

impl Wake for Loop {
    fn wake(self: Arc<Self>) {
        let next = |state| match state {
            IDLE => Some(SCHEDULED),
            RUNNING => Some(AGAIN),
            _ => None,
        };
        if self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(IDLE) {
            self.schedule();
        }
    }
}

/// The loop's own task. With it, when its runtime shuts down, the loop ends.
struct Task(Arc<Loop>);

impl Task {
    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        self.0.task.register(context.waker());
        with(|| self.0.clone().run());
        match self.0.state.load(Ordering::Acquire) {
            OVER => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.0.state.load(Ordering::Acquire) != OVER {
            self.0.end();
        }
    }
}
