//! Whether a store is down, and who asks it then.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::state::state_store::{StateError, Stored};

/// After how many failures in a row a store is down.
const FEW: u32 = 3;

/// How often a store is asked that is down. Other operations fail at once, or a call would wait for each of its modules.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// Whether a store is down.
#[derive(Default)]
pub(crate) struct Health {
    in_a_row: AtomicU32,
    /// When a store that is down is asked again.
    asked_again: Mutex<Option<Instant>>,
}

impl Health {
    /// Fails if the store is down and is not to be asked now.
    pub(crate) fn check(&self) -> Stored<()> {
        let in_a_row = self.in_a_row.load(Ordering::Relaxed);
        if in_a_row < FEW {
            return Ok(());
        }
        let now = Instant::now();
        let mut asked_again = self.asked_again.lock().unwrap_or_else(PoisonError::into_inner);
        if asked_again.is_some_and(|time| now < time) {
            let seconds = ASKED_EVERY.as_secs_f64();
            let problem = format!("the store has failed {in_a_row} times in a row, and is asked every {seconds} s");
            return Err(StateError::new(problem));
        }
        // This operation asks. Others wait for what comes of it.
        *asked_again = Some(now + ASKED_EVERY);
        Ok(())
    }

    /// Notes that an operation was done.
    pub(crate) fn works(&self) {
        // Seldom written, since all threads read it.
        if self.in_a_row.load(Ordering::Relaxed) > 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// Notes that an operation failed.
    pub(crate) fn fails(&self) {
        *self.asked_again.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + ASKED_EVERY);
        self.in_a_row.fetch_add(1, Ordering::Relaxed);
    }
}
