//! What the calls of a host have in common.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What the calls of a host have in common.
pub(crate) struct CallDefaults {
    /// The time that a call may take in all, unless the call says otherwise.
    pub(crate) deadline: Duration,
    /// How many requests a call may send.
    pub(crate) max_attempts: u32,
    /// Whether spans hold the messages.
    pub(crate) trace_content: bool,
    /// Whether requests tell providers which trace they belong to.
    pub(crate) propagate_trace: bool,
    /// What random numbers depend on, together with the number of the call.
    pub(crate) seed: u64,
    /// How many calls there have been.
    pub(crate) calls: AtomicU64,
}

impl CallDefaults {
    /// The number of the next call, counted from zero.
    pub(crate) fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }
}
