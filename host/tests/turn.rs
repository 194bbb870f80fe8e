//! Every interleaving of the states of an event loop, as `loom` tries them: no wake is lost, and no two threads poll.

use std::sync::atomic::Ordering::SeqCst;

use loom::{
    model,
    sync::{Arc, atomic, atomic::AtomicUsize},
    thread,
};

#[path = "../src/runtime/instance/turn.rs"]
mod turn;

use turn::Turn;

/// A loop that counts what it is woken for, and how many threads poll it.
struct Loop {
    turn: Turn,
    /// What has been asked for, and what of it a poll has seen.
    asked: AtomicUsize,
    seen: AtomicUsize,
    polling: AtomicUsize,
    /// How many polls are scheduled.
    scheduled: AtomicUsize,
}

impl Loop {
    /// A loop that is about to be polled.
    fn new() -> Arc<Self> {
        let [asked, seen, polling] = [0; 3].map(AtomicUsize::new);
        Arc::new(Self { turn: Turn::new(), asked, seen, polling, scheduled: AtomicUsize::new(1) })
    }

    /// Asks for something, as a caller that hands over a call does.
    fn ask(&self) {
        self.asked.fetch_add(1, SeqCst);
        if self.turn.wake() {
            self.scheduled.fetch_add(1, SeqCst);
        }
    }

    /// Polls if it was scheduled, as the threads do with the loops that they are about to poll.
    fn run(&self) {
        while self.scheduled.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            if !self.turn.take() {
                continue;
            }
            assert_eq!(self.polling.fetch_add(1, SeqCst), 0, "two threads poll at once");
            self.seen.store(self.asked.load(SeqCst), SeqCst);
            self.polling.fetch_sub(1, SeqCst);
            if self.turn.pause() {
                self.scheduled.fetch_add(1, SeqCst);
            }
        }
    }
}

#[test]
fn no_wake_is_lost_and_no_two_threads_poll() {
    model(|| {
        let one = Loop::new();
        let other = one.clone();
        let thread = thread::spawn(move || {
            other.ask();
            other.run();
        });
        one.ask();
        one.run();
        thread.join().unwrap();
        // What is scheduled now is polled by nobody else any more.
        one.run();
        assert_eq!(one.seen.load(SeqCst), 2, "all that was asked for was seen");
        assert_eq!(one.scheduled.load(SeqCst), 0);
    });
}

#[test]
fn a_loop_that_has_ended_is_polled_no_more() {
    model(|| {
        let one = Loop::new();
        let other = one.clone();
        let thread = thread::spawn(move || {
            other.ask();
            other.run();
        });
        one.turn.end();
        thread.join().unwrap();
        assert!(one.turn.is_over());
        assert!(!one.turn.wake() && !one.turn.take());
    });
}
