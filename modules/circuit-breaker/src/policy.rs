//! Whether a provider is asked. Knows nothing of WebAssembly.
//!
//! A circuit is closed as long as its provider answers; after enough failures in a row it is open, and nobody asks; after a
//! while it is half open, and single calls look whether the provider is back.

use arcllm_module::Error;
use serde::{Deserialize, Serialize};

use crate::config::Settings;

/// When a provider is asked.
#[derive(Debug, Clone)]
pub struct Policy {
    failures: u32,
    window: u64,
    open: u64,
    probes: usize,
    statuses: Vec<u16>,
}

/// What is kept of a provider; nothing while all is well. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Circuit {
    /// It is asked.
    Closed {
        /// Failures in a row.
        failures: u32,
        /// When the last one was.
        last: u64,
    },
    /// It is not asked until then; from then on single calls are let through.
    Open {
        /// When the first call may look.
        until: u64,
        /// When those that look have begun. One that has not said within the time of an open circuit how it went never
        /// will: its caller may have gone away.
        probes: Vec<u64>,
    },
}

/// What a call may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Ask.
    Ask,
    /// Ask, to see whether the provider is back. The call is known by this time.
    Probe(u64),
    /// Not ask, for so many nanoseconds.
    Refused(u64),
}

/// What the end of a call says of its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It is there.
    Alive,
    /// It is not.
    Failed,
    /// Nothing.
    None,
}

impl Policy {
    /// The policy of these settings.
    pub fn new(settings: Settings) -> Self {
        let nanoseconds = |seconds: f64| (seconds * 1e9) as u64;
        Self {
            failures: settings.failures,
            window: nanoseconds(settings.window_seconds),
            open: nanoseconds(settings.open_seconds),
            probes: usize::try_from(settings.probes).unwrap_or(usize::MAX),
            statuses: settings.failure_status_codes,
        }
    }

    /// What an error says of its provider. One that says no to this request, or to so many, is there.
    pub fn sign(&self, error: &Error) -> Sign {
        match error {
            Error::Api(api) if self.statuses.contains(&api.status) => Sign::Failed,
            Error::Connection(_) | Error::Timeout(_) | Error::Parse(_) => Sign::Failed,
            Error::Api(_) => Sign::Alive,
            Error::Config(_) | Error::Module(_) | Error::Cancelled | Error::DeadlineExceeded | Error::Other(_) => {
                Sign::None
            }
        }
    }

    /// Whether a call that comes `now` asks, and what is kept of the provider then, if that is something else.
    pub fn pass(&self, circuit: Option<&Circuit>, now: u64) -> (Pass, Option<Circuit>) {
        let Some(Circuit::Open { until, probes }) = circuit else { return (Pass::Ask, None) };
        // A clock that goes back holds nobody up for longer than it would have been anyway.
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
        // Two calls of the same nanosecond are told apart.
        let mark = (now..).find(|mark| !probes.contains(mark)).unwrap_or(now);
        probes.push(mark);
        (Pass::Probe(mark), Some(Circuit::Open { until, probes }))
    }

    /// What is kept of the provider after a call that passed so has ended `now`; none if nothing is.
    pub fn ended(&self, circuit: Option<&Circuit>, pass: Pass, sign: Sign, now: u64) -> Option<Circuit> {
        match (circuit, sign) {
            (None | Some(Circuit::Closed { .. }), Sign::Alive) => None,
            (None, Sign::Failed) => Some(self.failed(0, now)),
            (Some(Circuit::Closed { failures, last }), Sign::Failed) => {
                let in_a_row = now.saturating_sub(*last) <= self.window;
                Some(self.failed(if in_a_row { *failures } else { 0 }, now))
            }
            (Some(Circuit::Open { until, probes }), sign) => match (pass, sign) {
                (Pass::Probe(mark), _) if !probes.contains(&mark) => circuit.cloned(),
                (Pass::Probe(_), Sign::Alive) => None,
                (Pass::Probe(_), Sign::Failed) => Some(self.opened(now)),
                (Pass::Probe(mark), Sign::None) => {
                    let probes = probes.iter().copied().filter(|other| *other != mark).collect();
                    Some(Circuit::Open { until: *until, probes })
                }
                // A call from before it was open has nothing to say of now.
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
