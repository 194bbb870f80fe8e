//! Limits how often something is done, for everybody who shares the state of the module.

use std::time::Duration;

use crate::{
    clock::nanoseconds,
    state::{self, Bucket},
};

/// A limit on how often something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimiter {
    interval: Duration,
    burst: u32,
    max_wait: Duration,
}

/// The answer to a request for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The turn is taken, and comes after this wait.
    After(Duration),
    /// No turn is taken: the next one would come after this wait, which is too long.
    TooLate(Duration),
}

impl RateLimiter {
    /// Makes a limiter of one turn each `interval` in the long run, and `burst` turns at once after a pause. Nobody waits
    /// longer than `max_wait`. Neither an interval of zero nor a burst of zero is possible; the least is taken instead.
    pub fn new(interval: Duration, burst: u32, max_wait: Duration) -> Self {
        Self { interval: interval.max(Duration::from_nanos(1)), burst: burst.max(1), max_wait }
    }

    /// Returns the time between two turns in the long run.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Returns the longest wait.
    pub fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// Takes the next turn under `key`, if it comes within `max_wait` and before `time_left` has passed.
    ///
    /// # Errors
    ///
    /// The store's own error.
    pub async fn take(&self, key: &str, time_left: Option<Duration>) -> Result<Turn, String> {
        let per_second = 1.0 / self.interval.as_secs_f64();
        let bucket = Bucket { key: key.to_owned(), per_second, burst: self.burst.into(), cost: 1.0 };
        // A turn at the deadline comes too late.
        let left = time_left.map_or(Duration::MAX, |left| left.saturating_sub(Duration::from_nanos(1)));
        let taken = state::take(vec![bucket], nanoseconds(self.max_wait.min(left))).await?;
        let wait = Duration::from_nanos(taken.wait);
        Ok(if taken.refused.is_some() { Turn::TooLate(wait) } else { Turn::After(wait) })
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
