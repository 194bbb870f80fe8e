//! Decides which calls are hit, and what one can cost at most. Plain Rust, without WebAssembly.

use arcllm_module::{Cost, Target};

use crate::settings::{Fault, Settings};

/// Decides which calls are hit.
#[derive(Debug, Clone)]
pub struct Policy {
    fault: Option<Fault>,
    share: f64,
    provider: Option<String>,
    /// Nanoseconds.
    delay: u64,
}

impl Policy {
    /// Makes the policy of these settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            fault: settings.fault,
            share: settings.share,
            provider: settings.provider.as_ref().map(|provider| provider.0.clone()),
            delay: settings.delay_seconds.nanoseconds(),
        }
    }

    /// Returns the fault for calls to this provider. [`draws`](Policy::draws) then says whether a single call is hit.
    pub fn fault_of(&self, provider: &str) -> Option<Fault> {
        self.fault.filter(|_| self.provider.as_ref().is_none_or(|only| only == provider))
    }

    /// Draws whether a call is hit, from 64 random bits.
    pub fn draws(&self, random: u64) -> bool {
        // 53 bits, which an `f64` holds exactly, make a number from 0 to below 1.
        let drawn = (random >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < self.share
    }

    /// Returns the most that one call costs. Only some faults wait or ask by themselves.
    pub fn worst_case(&self, inner: &Target) -> Cost {
        let Cost { attempts, waiting } = inner.most;
        match self.fault_of(&inner.provider).filter(|_| self.share > 0.0) {
            Some(Fault::Delay) => Cost { attempts, waiting: waiting.saturating_add(self.delay) },
            Some(Fault::Linger) => Cost { attempts, waiting: u64::MAX },
            Some(Fault::Repeat) => Cost { attempts: u64::MAX, waiting: u64::MAX },
            None
            | Some(
                Fault::Trap
                | Fault::Spin
                | Fault::Allocate
                | Fault::Recurse
                | Fault::Hang
                | Fault::LeakHandles
                | Fault::Swarm
                | Fault::Hoard
                | Fault::FloodLog
                | Fault::Move
                | Fault::Error,
            ) => Cost { attempts, waiting },
        }
    }
}

#[cfg(test)]
mod tests {
    use arcllm_module::{ProviderName, Seconds};

    use super::*;

    fn policy(settings: Settings) -> Policy {
        Policy::new(&settings)
    }

    #[test]
    fn none_all_or_a_share_is_drawn() {
        let drawn = |share| {
            let policy = policy(Settings { share, ..Settings::default() });
            // Evenly over all numbers, both ends included.
            (0..=1000_u64).filter(|step| policy.draws((u64::MAX / 1000) * step)).count()
        };
        assert_eq!((drawn(0.0), drawn(1.0)), (0, 1001));
        assert!((249..=252).contains(&drawn(0.25)), "{}", drawn(0.25));
    }

    #[test]
    fn without_a_fault_or_for_another_provider_nothing_goes_wrong() {
        assert_eq!(policy(Settings::default()).fault_of("a"), None);
        let any = policy(Settings { fault: Some(Fault::Trap), ..Settings::default() });
        assert_eq!(any.fault_of("a"), Some(Fault::Trap));
        let provider = Some(ProviderName("a".to_owned()));
        let only = policy(Settings { fault: Some(Fault::Trap), provider, ..Settings::default() });
        assert_eq!((only.fault_of("a"), only.fault_of("b")), (Some(Fault::Trap), None));
    }

    #[test]
    fn the_worst_case_is_the_inners_but_for_faults_that_wait_or_ask() {
        let cost = |fault, share| {
            let settings =
                Settings { fault: Some(fault), share, delay_seconds: Seconds::new(2.0), ..Settings::default() };
            let inner = Target {
                name: String::new(),
                provider: "a".to_owned(),
                model: "m".to_owned(),
                most: Cost { attempts: 3, waiting: 5 },
            };
            let cost = policy(settings).worst_case(&inner);
            (cost.attempts, cost.waiting)
        };
        assert_eq!(cost(Fault::Error, 1.0), (3, 5));
        assert_eq!(cost(Fault::Delay, 1.0), (3, 2_000_000_005));
        assert_eq!(cost(Fault::Linger, 0.1), (3, u64::MAX));
        assert_eq!(cost(Fault::Repeat, 0.1), (u64::MAX, u64::MAX));
        assert_eq!(cost(Fault::Repeat, 0.0), (3, 5));
    }
}
