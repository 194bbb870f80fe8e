//! Decides what the end of a call shows about its provider, and when a circuit opens. Plain Rust, without WebAssembly.
//!
//! A circuit is closed while its provider answers. After enough failures it is open, and the provider is not asked. After a
//! while it is half open: a few calls, the probes, look whether the provider is back.

use std::{collections::BTreeMap, time::Duration};

use arcllm_module::{Error, HttpStatus, clock, is_unread};

use crate::settings::{Settings, status_of};

/// Decides when a provider is asked. Times are nanoseconds.
#[derive(Debug, Clone)]
pub struct Policy {
    failures: i64,
    pub(crate) window: u64,
    pub(crate) open: u64,
    pub(crate) probes: u32,
    /// From which share of failures the circuit opens, and how many calls that takes. Absent if no share is counted.
    share: Option<(f64, i64)>,
    statuses: Vec<HttpStatus>,
    cooldowns: BTreeMap<u16, Duration>,
    max_cooldown: Duration,
}

/// What the end of a call shows about its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It is up.
    Alive,
    /// It failed.
    Failed,
    /// Nothing.
    None,
}

/// For how long nobody is asked after an answer of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooldown {
    /// The status.
    pub status: u16,
    /// For how long, in nanoseconds.
    pub time: u64,
    /// Whether only this model is not asked, or all of the provider.
    pub is_of_model: bool,
}

/// What was counted of a provider, with the failure that has just been added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Failures in a row.
    pub in_a_row: i64,
    /// Calls of the window.
    pub calls: i64,
    /// Failures of the window.
    pub failed: i64,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: Settings) -> Self {
        let share = settings.failure_share.get();
        let cooldowns = settings.cooldown_seconds.iter();
        Self {
            failures: settings.failures.get().into(),
            window: settings.window_seconds.nanoseconds(),
            open: settings.open_seconds.nanoseconds(),
            probes: settings.probes.get(),
            share: (share > 0.0).then_some((share, settings.min_calls.get().into())),
            statuses: settings.failure_status_codes,
            cooldowns: cooldowns
                .filter_map(|(status, seconds)| Some((status_of(status)?, clock::seconds(seconds.get()))))
                .collect(),
            max_cooldown: settings.max_cooldown_seconds.duration(),
        }
    }

    /// Returns what an error shows about its provider. A provider that rejects a request, or too many requests, is up.
    pub fn sign(&self, error: &Error) -> Sign {
        match error {
            Error::Api(api) if self.statuses.iter().any(|status| status.get() == api.status) => Sign::Failed,
            // The model wrote what cannot be read. Its provider is up.
            Error::Parse(failure) if is_unread(&failure.extensions) => Sign::Alive,
            Error::Connection(_) | Error::Timeout(_) | Error::Parse(_) => Sign::Failed,
            Error::Api(_) => Sign::Alive,
            Error::Config(_) | Error::Module(_) | Error::Cancelled | Error::DeadlineExceeded | Error::Other(_) => {
                Sign::None
            }
        }
    }

    /// Returns for how long nobody is asked after this error of a provider. An unknown model says nothing about the others.
    pub fn cooldown(&self, error: &Error) -> Option<Cooldown> {
        let Error::Api(api) = error else { return None };
        let by_setting = *self.cooldowns.get(&api.status)?;
        let hint = api.retry_after.map(|hint| Duration::from_nanos(hint).min(self.max_cooldown));
        let time = clock::nanoseconds(hint.unwrap_or(by_setting));
        (time > 0).then_some(Cooldown { status: api.status, time, is_of_model: api.status == 404 })
    }

    /// Whether shares of failures are counted.
    pub fn counts_shares(&self) -> bool {
        self.share.is_some()
    }

    /// Whether the circuit may open after a failure that is this one in a row.
    pub fn may_open(&self, in_a_row: i64) -> bool {
        in_a_row >= self.failures || self.counts_shares()
    }

    /// Returns whether the circuit opens after a failure that leaves these counts.
    pub fn opens(&self, counts: Counts) -> bool {
        // Calls that were under way when it opened go on counting. Only one in so many of their failures opens it again.
        let by_row = counts.in_a_row > 0 && counts.in_a_row % self.failures == 0;
        let by_share = self.share.is_some_and(|(share, min_calls)| {
            counts.calls >= min_calls && counts.failed as f64 >= share * counts.calls as f64
        });
        by_row || by_share
    }
}

#[cfg(test)]
mod tests;
