//! Runs futures in virtual time: when all of them wait, the clock moves to the next timer.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::pin,
    task::{Context, Poll, Waker},
};

use crate::testing::world::{Task, World};

/// How many rounds without progress prove that all tasks wait. A round may move data from one task to another and end
/// nothing, so one is not enough.
const IDLE_ROUNDS: usize = 3;

thread_local! {
    static CURRENT: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Returns the world that runs on this thread.
///
/// # Panics
///
/// If there is none.
#[expect(clippy::expect_used, reason = "a test without a world cannot go on")]
pub(crate) fn current() -> World {
    CURRENT
        .with_borrow(Clone::clone)
        .expect("outside of WebAssembly a module runs in `World::run` of `arcllm_module::testing`")
}

/// Starts a task that the world runs to its end.
#[cfg(feature = "background")]
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

/// Runs a future and all tasks. Every round polls all of them, so nobody needs to be woken.
#[expect(clippy::panic, reason = "a test that waits forever cannot go on")]
pub(crate) fn run<T>(world: &World, future: impl Future<Output = T>) -> T {
    let before = CURRENT.replace(Some(world.clone()));
    assert!(before.is_none(), "only one world runs on a thread at a time");
    let _end = End;
    let (mut future, mut result) = (pin!(future), None);
    let mut context = Context::from_waker(Waker::noop());
    let mut idle = 0;
    loop {
        if result.is_none()
            && let Poll::Ready(value) = future.as_mut().poll(&mut context)
        {
            (result, idle) = (Some(value), 0);
        }
        if poll_tasks(world, &mut context) {
            idle = 0;
        }
        let mut inside = world.0.borrow_mut();
        match result.take() {
            Some(value) if inside.tasks.is_empty() => return value,
            value => result = value,
        }
        idle += 1;
        if idle > IDLE_ROUNDS {
            match inside.timers.pop_first() {
                Some(next) => (inside.now, idle) = (next.max(inside.now), 0),
                None => panic!("the module waits for something that cannot happen in this world"),
            }
        }
    }
}

/// Polls all tasks once. Returns whether one has ended or a new one has started.
fn poll_tasks(world: &World, context: &mut Context<'_>) -> bool {
    let tasks = std::mem::take(&mut world.0.borrow_mut().tasks);
    let before = tasks.len();
    let mut left: Vec<Task> =
        tasks.into_iter().filter_map(|mut task| task.as_mut().poll(context).is_pending().then_some(task)).collect();
    let mut inside = world.0.borrow_mut();
    let progress = left.len() < before || !inside.tasks.is_empty();
    left.append(&mut inside.tasks);
    inside.tasks = left;
    progress
}

/// Ends the run of a world, also when the test fails in it.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}
