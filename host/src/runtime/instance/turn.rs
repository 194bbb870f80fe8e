//! Decides which thread polls an event loop: one at a time, without waiting, and without losing a wake.
//!
//! Apart from the loops, so that `tests/turn.rs` can try every interleaving of its states.

use super::atomic::{AtomicU8, Ordering};

/// Nothing to do.
const IDLE: u8 = 0;
/// A thread is about to poll it.
const SCHEDULED: u8 = 1;
/// It is being polled.
const RUNNING: u8 = 2;
/// It is being polled, and must be polled once more.
const AGAIN: u8 = 3;
/// It has ended.
const OVER: u8 = 4;

/// The state of one loop. It begins as scheduled.
pub(crate) struct Turn(AtomicU8);

impl Turn {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(SCHEDULED))
    }

    /// Notes a wake. Returns whether the caller must get the loop polled.
    pub(crate) fn wake(&self) -> bool {
        // Written even if it stays the same: the next thread that polls must see what came before the wake.
        let next = |state| match state {
            IDLE => SCHEDULED,
            RUNNING => AGAIN,
            other => other,
        };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| Some(next(state))) == Ok(IDLE)
    }

    /// Takes the turn. Returns whether the caller polls; it then calls `pause` or `end`.
    pub(crate) fn take(&self) -> bool {
        self.0.compare_exchange(SCHEDULED, RUNNING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Ends a poll after which the loop waits. Returns whether it was woken meanwhile, so that the caller must get it
    /// polled.
    pub(crate) fn pause(&self) -> bool {
        if self.0.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return false;
        }
        // Another thread may have ended it.
        self.0.compare_exchange(AGAIN, SCHEDULED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Notes that the loop has ended.
    pub(crate) fn end(&self) {
        self.0.swap(OVER, Ordering::AcqRel);
    }

    /// Whether the loop has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == OVER
    }
}
