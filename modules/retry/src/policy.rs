//! Decides what is tried again, and after which wait. Plain Rust, without WebAssembly. Durations are nanoseconds.

use arcllm_module::{
    Cost, Error, HttpStatus, is_no_answer,
    types::{Attempt, Outcome, Reason},
};

use crate::settings::{RetryableKind, Settings};

/// How one attempt, or one call of the inner, ended: what matters for a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an answer.
    Answered,
    /// With an error of the provider, but for one of an account without credit, which is final.
    Api {
        /// The HTTP status.
        status: u16,
        /// The server's `x-should-retry`, which overrides what the status says.
        should_retry: Option<bool>,
        /// How long the server asks to wait.
        hint: Option<u64>,
    },
    /// Without a status, in a way that another attempt may change.
    Failed(RetryableKind),
    /// With an error that another attempt would not change.
    Final,
    /// Because the caller is gone or the deadline has passed.
    Over,
}

impl Ending {
    /// Reads it from an error.
    pub fn of_error(error: &Error) -> Self {
        match error {
            Error::Api(api) => Self::of_api(api.status, Some(&api.reason), api.should_retry, api.retry_after),
            Error::Connection(_) => Ending::Failed(RetryableKind::Connection),
            Error::Timeout(_) => Ending::Failed(RetryableKind::Timeout),
            Error::Parse(failure) => Self::of_parse(&failure.extensions),
            Error::Config(_) | Error::Module(_) | Error::Other(_) => Ending::Final,
            Error::Cancelled | Error::DeadlineExceeded => Ending::Over,
        }
    }

    /// Reads it from an entry of the trail.
    pub fn of_attempt(attempt: &Attempt) -> Self {
        match attempt.outcome {
            Outcome::Ok => Ending::Answered,
            Outcome::Api(status) => {
                Self::of_api(status, attempt.reason.as_ref(), attempt.should_retry, attempt.retry_after)
            }
            Outcome::Connection => Ending::Failed(RetryableKind::Connection),
            Outcome::Timeout => Ending::Failed(RetryableKind::Timeout),
            Outcome::Parse => Self::of_parse(&attempt.extensions),
            Outcome::Module | Outcome::Other(_) => Ending::Final,
            Outcome::Cancelled | Outcome::DeadlineExceeded => Ending::Over,
        }
    }

    /// Only money helps an account without credit. A server's `x-should-retry` is about the status, not about that.
    fn of_api(status: u16, reason: Option<&Reason>, should_retry: Option<bool>, hint: Option<u64>) -> Self {
        match reason {
            Some(Reason::Quota) => Ending::Final,
            _ => Ending::Api { status, should_retry, hint },
        }
    }

    /// No provider means a page or an empty body. JSON of the wrong shape would come again.
    fn of_parse(extensions: &[(String, String)]) -> Self {
        if is_no_answer(extensions) { Ending::Failed(RetryableKind::Parse) } else { Ending::Final }
    }

    fn hint(self) -> Option<u64> {
        match self {
            Ending::Api { hint, .. } => hint,
            Ending::Answered | Ending::Failed(_) | Ending::Final | Ending::Over => None,
        }
    }
}

/// The range from which the wait before a retry is drawn, uniformly and with both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitRange {
    /// The shortest wait.
    pub from: u64,
    /// The longest wait.
    pub to: u64,
}

impl WaitRange {
    /// Draws the wait from 64 random bits. Returns none if it would pass the deadline, which is `remaining` away.
    pub fn draw(self, random: u64, remaining: Option<u64>) -> Option<u64> {
        let span = u128::from(self.to.saturating_sub(self.from)) + 1;
        // The top 64 bits of a 128-bit product are below `span`, so the sum is at most `to`.
        let offset = (u128::from(random) * span) >> 64;
        let wait = self.from.saturating_add(u64::try_from(offset).unwrap_or(u64::MAX));
        remaining.is_none_or(|remaining| wait < remaining).then_some(wait)
    }
}

/// Decides when to try again.
#[derive(Debug, Clone)]
pub struct Policy {
    max_retries: u32,
    base: u64,
    max: u64,
    statuses: Vec<HttpStatus>,
    kinds: Vec<RetryableKind>,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            max_retries: settings.max_retries,
            base: settings.backoff_base_seconds.nanoseconds(),
            max: settings.max_wait_seconds.nanoseconds(),
            statuses: settings.retryable_status_codes.clone(),
            kinds: settings.retryable_kinds.clone(),
        }
    }

    /// Returns how long to wait before another try, after `retries` retries. Returns none if there is to be no other.
    ///
    /// `error` is the inner's error, and `round` are the attempts that the inner has made for it. If all of them failed,
    /// the inner gave up, as an exhausted fallback does: then one retryable attempt is enough.
    pub fn again(&self, error: &Ending, round: &[Ending], retries: u32) -> Option<WaitRange> {
        if retries >= self.max_retries || *error == Ending::Over {
            return None;
        }
        let gave_up = !round.contains(&Ending::Answered);
        let tried = if gave_up { round } else { &[] };
        let mut hints =
            std::iter::once(error).chain(tried).filter(|ending| self.retryable(ending)).map(|ending| ending.hint());
        let first = hints.next()?;
        // The smallest hint, or none if one of them has none.
        match hints.fold(first, |least, hint| Some(least?.min(hint?))) {
            Some(hint) if hint > self.max => None,
            Some(hint) => Some(WaitRange { from: hint, to: hint.saturating_add(self.base).min(self.max) }),
            None => Some(self.backoff(retries)),
        }
    }

    /// Returns the wait before retry n, counted from zero: b = base·2ⁿ, from min(b, max/2) to min(2b, max).
    pub fn backoff(&self, retries: u32) -> WaitRange {
        let doubled = 1_u64.checked_shl(retries).unwrap_or(u64::MAX);
        let backoff = self.base.saturating_mul(doubled);
        WaitRange { from: backoff.min(self.max / 2), to: backoff.saturating_mul(2).min(self.max) }
    }

    /// Returns the most that one call costs: all retries, each after the longest wait.
    pub fn worst_case(&self, inner: Cost) -> Cost {
        let calls = u64::from(self.max_retries).saturating_add(1);
        let waits = u64::from(self.max_retries).saturating_mul(self.max);
        Cost {
            attempts: inner.attempts.saturating_mul(calls),
            waiting: inner.waiting.saturating_mul(calls).saturating_add(waits),
        }
    }

    fn retryable(&self, ending: &Ending) -> bool {
        match ending {
            Ending::Api { status, should_retry, .. } => {
                should_retry.unwrap_or_else(|| self.statuses.iter().any(|one| one.get() == *status))
            }
            Ending::Failed(kind) => self.kinds.contains(kind),
            Ending::Answered | Ending::Final | Ending::Over => false,
        }
    }
}

#[cfg(test)]
mod tests;
