//! Turns at a steady pace, taken by everybody who shares what is kept.
//!
//! The generic cell rate algorithm (ITU-T I.371, annex A): all that is kept is one time, at which nobody would be ahead of the
//! pace any more. Who takes a turn adds to it, in one step of the store's: calls that come at once need no second try, and
//! none of them gets the turn of another.

use crate::{state, unix_time};

/// How often somebody who found the pace at rest tries to be the first to go, while others are faster.
const TRIES: usize = 100;

/// The store counts up to here.
const LAST: u64 = i64::MAX as u64;

/// How often something may be done. All times are nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    interval: u64,
    tolerance: u64,
    max_wait: u64,
}

/// What comes of asking for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It comes after this wait.
    After(u64),
    /// It would come after this wait, which is too long. No turn is taken.
    TooLate(u64),
}

/// A turn, and the time at which nobody would be ahead of the pace if it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    After { wait: u64, even_at: u64 },
    TooLate { wait: u64 },
}

impl Pace {
    /// In the long run one turn each `interval`, and `burst` of them at once after a pause; nobody waits for longer than
    /// `max_wait`.
    pub fn new(interval: u64, burst: u32, max_wait: u64) -> Self {
        let interval = interval.clamp(1, LAST / 2);
        Self { interval, tolerance: interval.saturating_mul(burst.saturating_sub(1).into()), max_wait }
    }

    /// Between two turns, in the long run.
    pub fn interval(&self) -> u64 {
        self.interval
    }

    /// The most that anybody waits.
    pub fn max_wait(&self) -> u64 {
        self.max_wait
    }

    /// Takes the next turn of those that are kept under `key`, if it comes within `max_wait` and before `remaining` has passed.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn take(&self, key: &str, remaining: Option<u64>) -> Result<Turn, String> {
        // Read once: who has to try again has come no later for that.
        let now = unix_time();
        for _ in 0..TRIES {
            let kept = state::get(key.to_owned()).await?;
            let even_at = kept.as_deref().and_then(read);
            match self.place(even_at.unwrap_or_default(), now, remaining) {
                Place::TooLate { wait } => {
                    if let Some(even_at) = even_at {
                        self.settle(key, even_at, even_at).await?;
                    }
                    return Ok(Turn::TooLate(wait));
                }
                // Others are ahead: after them.
                Place::After { even_at: next, .. } if even_at == Some(next - self.interval) => {
                    if let Some(turn) = self.queue(key, now, remaining).await? {
                        return Ok(turn);
                    }
                }
                // The pace was at rest: who sets it off is the first.
                Place::After { wait, even_at: next } => {
                    if state::compare_and_swap(key.to_owned(), kept, Some(write(next))).await? {
                        return Ok(Turn::After(wait));
                    }
                }
            }
        }
        Ok(Turn::TooLate(self.interval))
    }

    /// Takes the next turn, whichever it is by now. None if that is no turn, since the pace is at rest.
    async fn queue(&self, key: &str, now: u64, remaining: Option<u64>) -> Result<Option<Turn>, String> {
        let interval = i64::try_from(self.interval).unwrap_or(i64::MAX);
        let taken = u64::try_from(state::increment(key.to_owned(), interval).await?).unwrap_or_default();
        let before = taken.saturating_sub(self.interval);
        match self.place(before, now, remaining) {
            Place::After { wait, even_at } => Ok((even_at == taken).then_some(Turn::After(wait))),
            Place::TooLate { wait } => {
                self.settle(key, taken, before).await?;
                Ok(Some(Turn::TooLate(wait)))
            }
        }
    }

    /// Gives back a turn that came too late, and whatever else nobody can have taken: turns of those who have not given
    /// theirs back yet, and times of a clock that has gone back. Where somebody has taken one meanwhile, that is theirs to
    /// do, and one turn may pass unused.
    async fn settle(&self, key: &str, kept: u64, before: u64) -> Result<(), String> {
        let settled = before.min(self.furthest(unix_time()));
        if settled < kept {
            state::compare_and_swap(key.to_owned(), Some(write(kept)), Some(write(settled))).await?;
        }
        Ok(())
    }

    /// How far ahead the last turn can be that was taken.
    fn furthest(&self, now: u64) -> u64 {
        now.saturating_add(self.tolerance).saturating_add(self.max_wait).saturating_add(self.interval)
    }

    /// The turn of somebody who comes `now`.
    fn place(&self, even_at: u64, now: u64, remaining: Option<u64>) -> Place {
        let from = even_at.max(now).min(self.furthest(now));
        let wait = from.saturating_sub(self.tolerance).saturating_sub(now);
        let even_at = from.saturating_add(self.interval);
        if wait > self.max_wait || remaining.is_some_and(|remaining| wait > 0 && wait >= remaining) || even_at >= LAST {
            return Place::TooLate { wait };
        }
        Place::After { wait, even_at }
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
