//! When a call may go. Knows nothing of WebAssembly.
//!
//! A token bucket as the generic cell rate algorithm has it: all that is kept of a provider is one time, at which its bucket
//! would be full again. ITU-T I.371, annex A.

use crate::config::Settings;

/// How often providers are asked.
#[derive(Debug, Clone)]
pub struct Policy {
    settings: Settings,
    /// Nanoseconds.
    max_wait: u64,
}

/// The limit of one provider, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Between two calls, in the long run.
    interval: u64,
    /// How far a call may be ahead of that.
    tolerance: u64,
    max_wait: u64,
}

/// What comes of asking for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The call goes after this wait. The bucket will be full again at `full_at`.
    After {
        /// Nanoseconds.
        wait: u64,
        /// Nanoseconds since 1970.
        full_at: u64,
    },
    /// It would have to wait for so long, which is too long. Nothing is taken.
    TooLate(u64),
}

impl Policy {
    /// The policy of these settings.
    pub fn new(settings: Settings) -> Self {
        let max_wait = nanoseconds(settings.max_wait_seconds);
        Self { settings, max_wait }
    }

    /// The limit of this provider.
    pub fn limit(&self, provider: &str) -> Limit {
        let own = self.settings.providers.get(provider).cloned().unwrap_or_default();
        let rate = own.requests_per_minute.unwrap_or(self.settings.requests_per_minute);
        let burst = own.burst.unwrap_or(self.settings.burst);
        let interval = nanoseconds(60.0 / rate).max(1);
        let tolerance = interval.saturating_mul(u64::from(burst.saturating_sub(1)));
        Limit { interval, tolerance, max_wait: self.max_wait }
    }

    /// The most that one call waits.
    pub fn max_wait(&self) -> u64 {
        self.max_wait
    }
}

impl Limit {
    /// A place for a call that comes `now`, while the bucket is full again at `full_at`. It waits for less than `remaining`.
    pub fn place(&self, full_at: Option<u64>, now: u64, remaining: Option<u64>) -> Place {
        let mut full_at = full_at.unwrap_or_default().max(now);
        let furthest = self.tolerance.saturating_add(self.max_wait).saturating_add(self.interval);
        if full_at > now.saturating_add(furthest) {
            // No call has ever got a place that far ahead: the clock has gone back. What counts is then unknown, so there
            // is no burst.
            full_at = now.saturating_add(self.tolerance);
        }
        let wait = full_at.saturating_sub(self.tolerance).saturating_sub(now);
        if wait > self.max_wait || remaining.is_some_and(|remaining| wait > 0 && wait >= remaining) {
            return Place::TooLate(wait);
        }
        Place::After { wait, full_at: full_at.saturating_add(self.interval) }
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    // Saturates, and is zero for what is no number.
    (seconds * 1e9) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::ProviderLimit;

    const SECOND: u64 = 1_000_000_000;

    fn limit(requests_per_minute: f64, burst: u32, max_wait_seconds: f64) -> Limit {
        let settings = Settings { requests_per_minute, burst, max_wait_seconds, ..Settings::default() };
        Policy::new(settings).limit("a")
    }

    /// When calls go that come at these times; none for one that is refused.
    fn starts(limit: Limit, arrivals: &[u64]) -> Vec<Option<u64>> {
        let mut full_at = None;
        let place = |now: &u64| match limit.place(full_at, *now, None) {
            Place::After { wait, full_at: next } => {
                full_at = Some(next);
                Some(now + wait)
            }
            Place::TooLate(_) => None,
        };
        arrivals.iter().map(place).collect()
    }

    #[test]
    fn a_burst_goes_at_once_and_the_others_in_turn() {
        let starts = starts(limit(60.0, 3, 60.0), &[SECOND; 6]);
        assert_eq!(starts, [1, 1, 1, 2, 3, 4].map(|at| Some(at * SECOND)));
    }

    #[test]
    fn who_would_wait_too_long_takes_no_place() {
        let limit = limit(60.0, 1, 1.5);
        assert_eq!(starts(limit, &[10 * SECOND; 4]), [Some(10 * SECOND), Some(11 * SECOND), None, None]);
        assert_eq!(limit.place(Some(12 * SECOND), 10 * SECOND, None), Place::TooLate(2 * SECOND));
        let soon = limit.place(Some(11 * SECOND), 10 * SECOND, Some(SECOND / 2));
        assert_eq!(soon, Place::TooLate(SECOND));
    }

    #[test]
    fn a_clock_that_goes_back_holds_nobody_up() {
        let limit = limit(60.0, 5, 10.0);
        let Place::After { wait, full_at } = limit.place(Some(7200 * SECOND), 3600 * SECOND, None) else {
            panic!("refused")
        };
        assert_eq!((wait, full_at), (0, 3605 * SECOND));
    }

    #[test]
    fn a_provider_has_a_limit_of_its_own() {
        let own = ProviderLimit { requests_per_minute: Some(6.0), burst: None };
        let settings = Settings { providers: [("slow".to_owned(), own)].into(), ..Settings::default() };
        let policy = Policy::new(settings);
        assert_eq!(policy.limit("slow").interval, 10 * SECOND);
        assert_eq!(policy.limit("other").interval, SECOND / 10);
        assert_eq!(policy.limit("slow").tolerance, 90 * SECOND);
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_its_burst_and_its_share(
            rate in 1.0..6000.0f64,
            burst in 1u32..20,
            pauses in prop::collection::vec(0u64..3 * SECOND, 1..80),
        ) {
            let limit = limit(rate, burst, 3600.0);
            let arrivals: Vec<u64> = pauses.iter().scan(SECOND, |now, pause| { *now += pause; Some(*now) }).collect();
            let starts: Vec<u64> = starts(limit, &arrivals).into_iter().flatten().collect();
            for (first, from) in starts.iter().enumerate() {
                for (last, to) in starts.iter().enumerate().skip(first) {
                    let share = (to - from) / limit.interval;
                    prop_assert!((last - first) as u64 <= u64::from(burst) + share, "{from} to {to}");
                }
            }
        }

        #[test]
        fn nobody_waits_longer_than_is_allowed(
            now in 0u64..u64::MAX / 2, full_at in prop::option::of(any::<u64>()), remaining in prop::option::of(any::<u64>()),
        ) {
            let limit = limit(30.0, 4, 20.0);
            if let Place::After { wait, .. } = limit.place(full_at, now, remaining) {
                prop_assert!(wait <= 20 * SECOND);
                prop_assert!(remaining.is_none_or(|remaining| wait == 0 || wait < remaining));
            }
        }
    }
}
