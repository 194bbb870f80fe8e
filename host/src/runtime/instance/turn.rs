//! Whose turn it is to poll an event loop: one thread polls, whatever wakes it meanwhile is not lost, and nobody waits.
//!
//! Apart from the loops, so that every interleaving of its states can be tried (`tests/turn.rs`).

use super::atomic::{AtomicU8, Ordering};

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

/// The state of one loop. It begins as one that somebody is about to poll.
pub(crate) struct Turn(AtomicU8);

impl Turn {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(SCHEDULED))
    }

    /// Something woke the loop. Whether the caller has to see to it that it is polled.
    pub(crate) fn wake(&self) -> bool {
        // Written even where it stays what it was: whoever polls next has to see what came before the wake.
        let next = |state| match state {
            IDLE => SCHEDULED,
            RUNNING => AGAIN,
            other => other,
        };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| Some(next(state))) == Ok(IDLE)
    }

    /// Takes the turn. Whether the caller is to poll; if so, it says what came of it by `pause` or `end`.
    pub(crate) fn take(&self) -> bool {
        self.0.compare_exchange(SCHEDULED, RUNNING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The loop waits. Whether it was woken while it was polled, so that the caller has to see to it that it is polled.
    pub(crate) fn pause(&self) -> bool {
        if self.0.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return false;
        }
        // It may also have been ended from elsewhere.
        self.0.compare_exchange(AGAIN, SCHEDULED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The loop has ended, and is polled no more.
    pub(crate) fn end(&self) {
        self.0.swap(OVER, Ordering::AcqRel);
    }

    /// Whether the loop has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == OVER
    }
}
