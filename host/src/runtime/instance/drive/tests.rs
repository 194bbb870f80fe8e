use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::runtime::Builder;

use super::*;

/// A loop that counts its polls, and calls `act` at each of them.
fn counting(act: impl Fn() + Send + 'static) -> (Arc<Loop>, Arc<AtomicUsize>) {
    let (looped, polls) = (Loop::new(), Arc::new(AtomicUsize::new(0)));
    let counted = polls.clone();
    looped.start(
        &Handle::current(),
        poll_fn(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            act();
            Poll::Pending
        }),
    );
    (looped, polls)
}

fn inside<T>(run: impl AsyncFnOnce() -> T) -> T {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(run())
}

#[test]
fn a_thread_that_hands_over_polls_at_once() {
    inside(async || {
        let (looped, polls) = counting(|| {});
        tokio::task::yield_now().await;
        assert_eq!(polls.load(Ordering::SeqCst), 1, "by its own task");
        with(|| {
            Loop::wake(&looped);
            Loop::wake(&looped);
            assert_eq!(polls.load(Ordering::SeqCst), 1, "not before all is handed over");
        });
        assert_eq!(polls.load(Ordering::SeqCst), 2, "once for both");
        Loop::wake(&looped);
        assert_eq!(polls.load(Ordering::SeqCst), 2, "no thread hands over, so its task is woken");
        tokio::task::yield_now().await;
        assert_eq!(polls.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn loops_are_polled_one_after_the_other_and_not_from_within() {
    inside(async || {
        let busy = Arc::new(AtomicBool::new(false));
        let alone = |busy: &Arc<AtomicBool>| {
            let busy = busy.clone();
            move || assert!(!busy.load(Ordering::SeqCst), "another loop is being polled on this thread")
        };
        let (inner, inner_polls) = counting(alone(&busy));
        let (waking, held) = (inner.clone(), busy.clone());
        let (outer, _) = counting(move || {
            held.store(true, Ordering::SeqCst);
            with(|| Loop::wake(&waking));
            held.store(false, Ordering::SeqCst);
        });
        tokio::task::yield_now().await;
        let before = inner_polls.load(Ordering::SeqCst);
        with(|| Loop::wake(&outer));
        assert_eq!(inner_polls.load(Ordering::SeqCst), before + 1, "at once, after the loop that woke it");
    });
}

#[test]
fn a_loop_that_panics_ends_alone() {
    inside(async || {
        let panicking = Loop::new();
        panicking.start(&Handle::current(), poll_fn(|_| panic!("on purpose")));
        let (other, polls) = counting(|| {});
        tokio::task::yield_now().await;
        assert!(panicking.turn.is_over());
        with(|| {
            Loop::wake(&panicking);
            Loop::wake(&other);
        });
        assert_eq!(polls.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn no_wake_from_another_thread_is_lost() {
    inside(async || {
        let (asked, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (look, saw) = (asked.clone(), seen.clone());
        let (looped, _) = counting(move || saw.store(look.load(Ordering::SeqCst), Ordering::SeqCst));
        let threads = [(); 4].map(|()| {
            let (looped, asked) = (looped.clone(), asked.clone());
            std::thread::spawn(move || {
                for _ in 0..10_000 {
                    asked.fetch_add(1, Ordering::SeqCst);
                    with(|| Loop::wake(&looped));
                }
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        while seen.load(Ordering::SeqCst) < 40_000 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_loop_ends_with_its_runtime() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let looped = runtime.block_on(async { counting(|| {}).0 });
    drop(runtime);
    assert!(looped.turn.is_over());
    with(|| Loop::wake(&looped));
}
