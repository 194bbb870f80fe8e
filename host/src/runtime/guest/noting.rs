//! What a module still notes in the store about a call that is over.

use std::{
    pin::pin,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::yield_now,
    time::{Instant, timeout_at},
};

/// How long a module may work for a call that is over: it notes how the call ended.
pub(crate) const AFTERWARDS: Duration = Duration::from_secs(5);

/// How often an instance is polled without an operation of the store until the module has noted all: it goes on with what an
/// operation gave, and may begin another.
const QUIET: u32 = 3;

/// The operations of the store that a module does for a call.
#[derive(Default)]
pub(crate) struct Noting {
    under_way: AtomicU32,
    ended: Notify,
    /// When the call was first seen to be over.
    over: OnceLock<Instant>,
}

impl Noting {
    /// Begins an operation, which ends when the returned value is dropped.
    pub(crate) fn begin(&self) -> Operation<'_> {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        Operation(self)
    }

    /// When the module may note no more. Call this once the call is over.
    pub(crate) fn ends(&self) -> Instant {
        *self.over.get_or_init(Instant::now) + AFTERWARDS
    }

    /// Whether an operation is under way that is waited for.
    pub(crate) fn goes_on(&self) -> bool {
        self.is_busy() && self.over.get().is_none_or(|over| over.elapsed() < AFTERWARDS)
    }

    /// Waits until the module has noted what it still notes. Call this once the call is over.
    pub(crate) async fn done(&self) {
        if self.is_busy() {
            // After that time, the operations end.
            let _ = timeout_at(self.ends(), Box::pin(self.quiet())).await;
        }
    }

    async fn quiet(&self) {
        let mut quiet = 0;
        while quiet < QUIET {
            let mut ended = pin!(self.ended.notified());
            ended.as_mut().enable();
            if self.is_busy() {
                quiet = 0;
                ended.await;
            } else {
                quiet += 1;
                yield_now().await;
            }
        }
    }

    fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 0
    }
}

/// An operation of the store.
pub(crate) struct Operation<'a>(&'a Noting);

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}
