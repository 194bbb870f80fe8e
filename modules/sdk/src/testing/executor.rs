//! Runs futures in virtual time: when all wait, the clock goes to the next timer.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use super::World;

/// What a module leaves behind, such as an answer that it writes.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    static CURRENT: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// The world that runs on this thread.
///
/// # Panics
///
/// Where none does.
#[expect(clippy::expect_used, reason = "a test without a world cannot go on")]
pub(crate) fn current() -> World {
    CURRENT
        .with_borrow(Clone::clone)
        .expect("outside of WebAssembly a module runs in `World::run` of `arcllm_module::testing`")
}

/// Leaves a task to the world.
#[cfg(feature = "stream")]
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    current().0.borrow_mut().tasks.push(Box::pin(task));
}

/// Waits in virtual time.
pub(crate) async fn sleep(world: &World, nanoseconds: u64) {
    let until = world.0.borrow().now.saturating_add(nanoseconds);
    poll_fn(|_| {
        let mut inside = world.0.borrow_mut();
        if inside.now >= until {
            return Poll::Ready(());
        }
        inside.timers.insert(until);
        Poll::Pending
    })
    .await;
}

#[expect(clippy::panic, reason = "a test that waits for ever cannot go on")]
pub(super) fn run<T>(world: &World, future: impl Future<Output = T>) -> T {
    let before = CURRENT.replace(Some(world.clone()));
    assert!(before.is_none(), "one world runs on a thread at a time");
    let _end = End;
    let (mut future, mut done) = (pin!(future), None);
    let mut context = Context::from_waker(Waker::noop());
    // Everything is polled in every round, so that nobody needs to be woken. A round in which nothing ended and the clock
    // stands still may yet have moved data from one task to another: a few more are tried.
    let mut idle = 0;
    loop {
        if done.is_none()
            && let Poll::Ready(value) = future.as_mut().poll(&mut context)
        {
            (done, idle) = (Some(value), 0);
        }
        let tasks = std::mem::take(&mut world.0.borrow_mut().tasks);
        let before = tasks.len();
        let mut left: Vec<Task> = tasks
            .into_iter()
            .filter_map(|mut task| task.as_mut().poll(&mut context).is_pending().then_some(task))
            .collect();
        let mut inside = world.0.borrow_mut();
        if left.len() < before || !inside.tasks.is_empty() {
            idle = 0;
        }
        left.append(&mut inside.tasks);
        inside.tasks = left;
        match done.take() {
            Some(value) if inside.tasks.is_empty() => return value,
            value => done = value,
        }
        idle += 1;
        if idle > 3 {
            match inside.timers.pop_first() {
                Some(next) => (inside.now, idle) = (next.max(inside.now), 0),
                None => panic!("the module waits for something that cannot happen in this world"),
            }
        }
    }
}

/// Ends a world's run, also where a test fails in it.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}
