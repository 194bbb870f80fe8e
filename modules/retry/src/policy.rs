//! What is tried again, and after which wait. Knows nothing of WebAssembly; durations are nanoseconds, as in the WIT.

use arcllm_module::{
    Cost, Error,
    types::{Attempt, Outcome},
};

use crate::config::Settings;

/// How one attempt, or one call of the inner, ended, as far as retrying goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It did not fail.
    Not,
    /// The provider answered with an error.
    Api {
        /// The HTTP status.
        status: u16,
        /// The server's `x-should-retry`, which overrides what the status says.
        should_retry: Option<bool>,
        /// The server's hint how long to wait.
        hint: Option<u64>,
    },
    /// The connection broke, or was silent for too long.
    Transport,
    /// Nothing that another attempt would change.
    Finally,
    /// The caller is gone or the time is up.
    Over,
}

impl Failed {
    /// What an error says.
    pub fn of_error(error: &Error) -> Self {
        match error {
            Error::Api(api) => {
                Failed::Api { status: api.status, should_retry: api.should_retry, hint: api.retry_after }
            }
            Error::Connection(_) | Error::Timeout(_) => Failed::Transport,
            Error::Parse(_) | Error::Config(_) | Error::Module(_) | Error::Other(_) => Failed::Finally,
            Error::Cancelled | Error::DeadlineExceeded => Failed::Over,
        }
    }

    /// What an entry of the trail says.
    pub fn of_attempt(attempt: &Attempt) -> Self {
        match attempt.outcome {
            Outcome::Ok => Failed::Not,
            Outcome::Api(status) => {
                Failed::Api { status, should_retry: attempt.should_retry, hint: attempt.retry_after }
            }
            Outcome::Connection | Outcome::Timeout => Failed::Transport,
            Outcome::Parse | Outcome::Module | Outcome::Other(_) => Failed::Finally,
            Outcome::Cancelled | Outcome::DeadlineExceeded => Failed::Over,
        }
    }

    fn hint(self) -> Option<u64> {
        match self {
            Failed::Api { hint, .. } => hint,
            Failed::Not | Failed::Transport | Failed::Finally | Failed::Over => None,
        }
    }
}

/// The wait before a retry is drawn uniformly from this range, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The shortest wait.
    pub from: u64,
    /// The longest wait.
    pub to: u64,
}

impl Range {
    /// The wait, given 64 random bits and what remains until the deadline; none where it would pass the deadline.
    pub fn draw(self, random: u64, remaining: Option<u64>) -> Option<u64> {
        let span = u128::from(self.to.saturating_sub(self.from)) + 1;
        // The top 64 bits of a 128-bit product: below `span`, so the sum is at most `to`.
        let offset = (u128::from(random) * span) >> 64;
        let wait = self.from.saturating_add(u64::try_from(offset).unwrap_or(u64::MAX));
        remaining.is_none_or(|remaining| wait < remaining).then_some(wait)
    }
}

/// When to try again.
#[derive(Debug, Clone)]
pub struct Policy {
    max_retries: u32,
    base: u64,
    max: u64,
    statuses: Vec<u16>,
}

impl Policy {
    /// The policy of these settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            max_retries: settings.max_retries,
            base: nanoseconds(settings.backoff_base_seconds),
            max: nanoseconds(settings.max_wait_seconds),
            statuses: settings.retryable_status_codes.clone(),
        }
    }

    /// Whether to try again after `retries` retries, and how long to wait before.
    ///
    /// `error` is what the inner answered with and `round` every attempt it made for that. Where all of them failed,
    /// the inner gave up, as an exhausted fallback does: then one retryable attempt is enough.
    pub fn again(&self, error: &Failed, round: &[Failed], retries: u32) -> Option<Range> {
        if retries >= self.max_retries || *error == Failed::Over {
            return None;
        }
        let gave_up = !round.contains(&Failed::Not);
        let tried = if gave_up { round } else { &[] };
        let mut hints = std::iter::once(error).chain(tried).filter(|failed| self.retryable(failed)).map(|f| f.hint());
        let first = hints.next()?;
        // The smallest hint, and none as soon as one has none.
        match hints.fold(first, |least, hint| Some(least?.min(hint?))) {
            Some(hint) if hint > self.max => None,
            Some(hint) => Some(Range { from: hint, to: hint.saturating_add(self.base).min(self.max) }),
            None => Some(self.backoff(retries)),
        }
    }

    /// The wait before retry number `retries`, counted from zero: b = base·2ⁿ, from min(b, max/2) to min(2b, max).
    pub fn backoff(&self, retries: u32) -> Range {
        let doubled = 1_u64.checked_shl(retries).unwrap_or(u64::MAX);
        let backoff = self.base.saturating_mul(doubled);
        Range { from: backoff.min(self.max / 2), to: backoff.saturating_mul(2).min(self.max) }
    }

    /// The most that one call costs: every retry made, each after the longest wait that a server can ask for.
    pub fn worst_case(&self, inner: Cost) -> Cost {
        let calls = u64::from(self.max_retries).saturating_add(1);
        let waits = u64::from(self.max_retries).saturating_mul(self.max);
        Cost {
            attempts: inner.attempts.saturating_mul(calls),
            waiting: inner.waiting.saturating_mul(calls).saturating_add(waits),
        }
    }

    fn retryable(&self, failed: &Failed) -> bool {
        match failed {
            Failed::Api { status, should_retry, .. } => should_retry.unwrap_or(self.statuses.contains(status)),
            Failed::Transport => true,
            Failed::Not | Failed::Finally | Failed::Over => false,
        }
    }
}

/// At least one, so that a wait is never without jitter; a cast from `f64` saturates.
fn nanoseconds(seconds: f64) -> u64 {
    ((seconds * 1e9) as u64).max(1)
}

#[cfg(test)]
mod tests;
