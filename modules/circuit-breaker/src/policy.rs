//! Decides whether a provider is asked. Plain Rust, without WebAssembly.
//!
//! A circuit is closed while its provider answers. After enough failures in a row it is open, and the provider is not
//! asked. After a while it is half open: a few calls, the probes, look whether the provider is back.

use arcllm_module::{Error, HttpStatus};
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Decides when a provider is asked. Times are nanoseconds.
#[derive(Debug, Clone)]
pub struct Policy {
    failures: u32,
    window: u64,
    open: u64,
    probes: usize,
    statuses: Vec<HttpStatus>,
}

/// What is kept about a provider. Nothing is kept while all is well. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Circuit {
    /// The provider is asked.
    Closed {
        /// Failures in a row.
        failures: u32,
        /// When the last one was.
        last: u64,
    },
    /// The provider is not asked until a time, and then by probes only.
    Open {
        /// When the first probe may go.
        until: u64,
        /// When each probe began. A probe that has no result after `open_seconds` makes room for the next one: its process may
        /// have ended.
        probes: Vec<u64>,
    },
}

/// What a call may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Ask.
    Ask,
    /// Ask, to see whether the provider is back. This time identifies the probe.
    Probe(u64),
    /// Do not ask for this many nanoseconds.
    Refused(u64),
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

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            failures: settings.failures.get(),
            window: settings.window_seconds.nanoseconds(),
            open: settings.open_seconds.nanoseconds(),
            probes: usize::try_from(settings.probes.get()).unwrap_or(usize::MAX),
            statuses: settings.failure_status_codes,
        }
    }

    /// Returns what an error shows about its provider. A provider that rejects a request, or too many requests, is up.
    pub fn sign(&self, error: &Error) -> Sign {
        match error {
            Error::Api(api) if self.statuses.iter().any(|status| status.get() == api.status) => Sign::Failed,
            Error::Connection(_) | Error::Timeout(_) | Error::Parse(_) => Sign::Failed,
            Error::Api(_) => Sign::Alive,
            Error::Config(_) | Error::Module(_) | Error::Cancelled | Error::DeadlineExceeded | Error::Other(_) => {
                Sign::None
            }
        }
    }

    /// Decides whether a call that comes `now` asks. Also returns the circuit to keep, if it changes.
    pub fn pass(&self, circuit: Option<&Circuit>, now: u64) -> (Pass, Option<Circuit>) {
        let Some(Circuit::Open { until, probes }) = circuit else { return (Pass::Ask, None) };
        // If the clock goes back, the wait is still no longer than `open`.
        let until = (*until).min(now.saturating_add(self.open));
        if now < until {
            return (Pass::Refused(until - now), None);
        }
        let mut probes: Vec<u64> =
            probes.iter().copied().filter(|begun| *begun <= now && now - begun < self.open).collect();
        if probes.len() >= self.probes {
            let next = probes.iter().min().map_or(0, |begun| begun.saturating_add(self.open).saturating_sub(now));
            return (Pass::Refused(next.max(1)), None);
        }
        // Two probes of the same nanosecond get different marks.
        let mark = (now..).find(|mark| !probes.contains(mark)).unwrap_or(now);
        probes.push(mark);
        (Pass::Probe(mark), Some(Circuit::Open { until, probes }))
    }

    /// Returns the circuit to keep after a call with this pass has ended `now`; none if nothing is to be kept.
    pub fn ended(&self, circuit: Option<&Circuit>, pass: Pass, sign: Sign, now: u64) -> Option<Circuit> {
        match (circuit, sign) {
            (None | Some(Circuit::Closed { .. }), Sign::Alive) => None,
            (None, Sign::Failed) => Some(self.failed(0, now)),
            (Some(Circuit::Closed { failures, last }), Sign::Failed) => {
                let in_a_row = now.saturating_sub(*last) <= self.window;
                Some(self.failed(if in_a_row { *failures } else { 0 }, now))
            }
            (Some(Circuit::Open { until, probes }), sign) => match (pass, sign) {
                // A probe that was given up may have been a long answer. It closes the circuit if no other probe has failed since.
                (Pass::Probe(mark), sign) if !probes.contains(&mark) => {
                    let is_up = sign == Sign::Alive && now >= *until;
                    if is_up { None } else { circuit.cloned() }
                }
                (Pass::Probe(_), Sign::Alive) => None,
                (Pass::Probe(_), Sign::Failed) => Some(self.opened(now)),
                (Pass::Probe(mark), Sign::None) => {
                    let probes = probes.iter().copied().filter(|other| *other != mark).collect();
                    Some(Circuit::Open { until: *until, probes })
                }
                // A call that began before the circuit opened shows nothing about now.
                (Pass::Ask | Pass::Refused(_), _) => circuit.cloned(),
            },
            (circuit, Sign::None) => circuit.cloned(),
        }
    }

    fn failed(&self, before: u32, now: u64) -> Circuit {
        let failures = before.saturating_add(1);
        if failures >= self.failures { self.opened(now) } else { Circuit::Closed { failures, last: now } }
    }

    fn opened(&self, now: u64) -> Circuit {
        Circuit::Open { until: now.saturating_add(self.open), probes: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
