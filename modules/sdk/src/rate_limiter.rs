//! Limits how often something is done, for everybody who shares the state of the module.
//!
//! This is the generic cell rate algorithm (ITU-T I.371, annex A). It keeps a single time: the one at which all turns that
//! were taken are used up. Taking a turn adds to it, in one step of the store. So calls that come at the same time rarely
//! try twice, and no two of them get the same turn.

use std::time::Duration;

use crate::{
    clock::{nanoseconds, unix_time},
    state,
};

/// How often a caller who found the limiter at rest tries to be the first, while others are faster.
const TRIES: usize = 100;

/// The largest number that the store counts to.
const LAST: u64 = i64::MAX as u64;

/// A limit on how often something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimiter {
    // Nanoseconds, as in the store.
    interval: u64,
    tolerance: u64,
    max_wait: u64,
}

/// The answer to a request for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The turn is taken, and comes after this wait.
    After(Duration),
    /// No turn is taken: the next one would come after this wait, which is too long.
    TooLate(Duration),
}

/// A turn that can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Free {
    wait: u64,
    /// When all turns are used up, if it is taken.
    used_up: u64,
}

impl RateLimiter {
    /// Makes a limiter of one turn each `interval` in the long run, and `burst` turns at once after a pause. Nobody waits
    /// longer than `max_wait`.
    pub fn new(interval: Duration, burst: u32, max_wait: Duration) -> Self {
        let (interval, max_wait) = (nanoseconds(interval), nanoseconds(max_wait));
        let interval = interval.clamp(1, LAST / 2);
        Self { interval, tolerance: interval.saturating_mul(burst.saturating_sub(1).into()), max_wait }
    }

    /// Returns the time between two turns in the long run.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// Returns the longest wait.
    pub fn max_wait(&self) -> Duration {
        Duration::from_nanos(self.max_wait)
    }

    /// Takes the next turn under `key`, if it comes within `max_wait` and before `time_left` has passed.
    ///
    /// # Errors
    ///
    /// The store's own error.
    pub async fn take(&self, key: &str, time_left: Option<Duration>) -> Result<Turn, String> {
        // Read once: a caller who has to try again still came at this time.
        let now = nanoseconds(unix_time());
        let remaining = time_left.map(nanoseconds);
        for _ in 0..TRIES {
            let kept = state::get(key.to_owned()).await?;
            let used_up = kept.as_deref().and_then(read);
            match self.next(used_up.unwrap_or_default(), now, remaining) {
                Err(wait) => {
                    if let Some(used_up) = used_up {
                        self.settle(key, used_up, used_up).await?;
                    }
                    return Ok(Turn::TooLate(Duration::from_nanos(wait)));
                }
                // Others are ahead: go after them.
                Ok(free) if used_up == Some(free.used_up - self.interval) => {
                    if let Some(turn) = self.queue(key, now, remaining).await? {
                        return Ok(turn);
                    }
                }
                // The limiter was at rest. One caller starts it, and the others try again.
                Ok(free) => {
                    if state::compare_and_swap(key.to_owned(), kept, Some(write(free.used_up))).await? {
                        return Ok(Turn::After(Duration::from_nanos(free.wait)));
                    }
                }
            }
        }
        Ok(Turn::TooLate(self.interval()))
    }

    /// Takes the next turn by adding to what is kept. Returns none if that gave no turn, because the limiter is at rest.
    async fn queue(&self, key: &str, now: u64, remaining: Option<u64>) -> Result<Option<Turn>, String> {
        let interval = i64::try_from(self.interval).unwrap_or(i64::MAX);
        let taken = u64::try_from(state::increment(key.to_owned(), interval).await?).unwrap_or_default();
        let before = taken.saturating_sub(self.interval);
        match self.next(before, now, remaining) {
            Ok(free) => Ok((free.used_up == taken).then_some(Turn::After(Duration::from_nanos(free.wait)))),
            Err(wait) => {
                self.settle(key, taken, before).await?;
                Ok(Some(Turn::TooLate(Duration::from_nanos(wait))))
            }
        }
    }

    /// Gives back a turn that came too late, and everything beyond the furthest turn that can have been taken. Such times
    /// come from callers who have not given their turns back yet, and from a clock that has gone back.
    ///
    /// If somebody has taken a turn in between, they settle it later. One turn may then pass unused.
    async fn settle(&self, key: &str, kept: u64, before: u64) -> Result<(), String> {
        let settled = before.min(self.furthest(nanoseconds(unix_time())));
        if settled < kept {
            state::compare_and_swap(key.to_owned(), Some(write(kept)), Some(write(settled))).await?;
        }
        Ok(())
    }

    /// Returns the latest time that taken turns can add up to.
    fn furthest(&self, now: u64) -> u64 {
        now.saturating_add(self.tolerance).saturating_add(self.max_wait).saturating_add(self.interval)
    }

    /// Finds the turn of a caller who comes `now`. If it comes too late, the error is the wait.
    fn next(&self, used_up: u64, now: u64, remaining: Option<u64>) -> Result<Free, u64> {
        let from = used_up.max(now).min(self.furthest(now));
        let wait = from.saturating_sub(self.tolerance).saturating_sub(now);
        let used_up = from.saturating_add(self.interval);
        let passes_deadline = remaining.is_some_and(|remaining| wait > 0 && wait >= remaining);
        if wait > self.max_wait || passes_deadline || used_up >= LAST {
            return Err(wait);
        }
        Ok(Free { wait, used_up })
    }
}

fn read(kept: &[u8]) -> Option<u64> {
    std::str::from_utf8(kept).ok()?.parse().ok()
}

fn write(time: u64) -> Vec<u8> {
    time.to_string().into_bytes()
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
