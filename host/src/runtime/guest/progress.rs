//! How a module makes progress with one call: whether it waits for the host, and what it has used.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{
    chat::seconds::nanoseconds,
    config::sandbox::Limits,
    runtime::limits::{limit::Limit, log_rate::CallLog},
};

/// How a module makes progress with one call.
pub(crate) struct CallProgress {
    started: Instant,
    /// How many answers and sleeps of the host the module waits for.
    pending: AtomicU32,
    /// Changes at each progress of the call.
    steps: AtomicU32,
    /// How many ticks the guest has computed.
    ticks: AtomicU32,
    /// What the module has logged for this call.
    logged: CallLog,
    /// When the module began to wait for the host, in nanoseconds after the start.
    waits_since: AtomicU64,
    /// Nanoseconds of its earlier waits for the host.
    waited: AtomicU64,
}

impl CallProgress {
    /// The progress of a call that starts now.
    pub(crate) fn start() -> Self {
        let (pending, steps, ticks, logged, waits_since, waited) = Default::default();
        Self { started: Instant::now(), pending, steps, ticks, logged, waits_since, waited }
    }

    /// How long the module has worked, without its waits for the host.
    pub(crate) fn own_time(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_nanos(self.waited.load(Ordering::Relaxed)))
    }

    /// Counts ticks of computing. Returns how many the call has used in all.
    pub(crate) fn computed(&self, ticks: u64) -> u64 {
        self.step();
        // A call that computes for a year has ended before.
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
        self.ticks.fetch_add(ticks, Ordering::Relaxed).saturating_add(ticks).into()
    }

    /// Counts a log message.
    ///
    /// # Errors
    ///
    /// Where the call alone logs more than an instance may.
    pub(crate) fn logs(&self, bytes: usize, limits: &Limits) -> Result<(), Limit> {
        self.logged.count(bytes, self.started.elapsed().as_secs(), limits)
    }

    /// Notes that the module waits for the host, until the returned value is dropped.
    pub(crate) fn wait(&self) -> WaitGuard<'_> {
        if self.pending.fetch_add(1, Ordering::Relaxed) == 0 {
            self.waits_since.store(self.now(), Ordering::Relaxed);
        }
        WaitGuard(self)
    }

    /// A number that changes with each progress. `None` while the module waits for the host.
    pub(crate) fn steps(&self) -> Option<u32> {
        let waits = self.pending.load(Ordering::Relaxed) > 0;
        (!waits).then(|| self.steps.load(Ordering::Relaxed))
    }

    fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        nanoseconds(self.started.elapsed())
    }
}

/// Ends a wait for the host when it is dropped.
pub(crate) struct WaitGuard<'a>(&'a CallProgress);

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        let progress = self.0;
        progress.step();
        if progress.pending.fetch_sub(1, Ordering::Relaxed) == 1 {
            let waited = progress.now().saturating_sub(progress.waits_since.load(Ordering::Relaxed));
            progress.waited.fetch_add(waited, Ordering::Relaxed);
        }
    }
}
