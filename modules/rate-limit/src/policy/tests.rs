use std::time::Duration;

use arcllm_module::{Amount, Count, Turn, clock, testing::World};
use proptest::prelude::*;

use super::*;
use crate::settings::ProviderLimit;

const SECOND: u64 = 1_000_000_000;

fn of(nanoseconds: u64) -> Duration {
    Duration::from_nanos(nanoseconds)
}

#[test]
fn a_provider_has_a_limit_of_its_own() {
    let own = ProviderLimit { requests_per_minute: Some(6.0), burst: None };
    let settings = Settings { providers: [("slow".to_owned(), own)].into(), ..Settings::default() };
    let policy = Policy::new(settings);
    assert_eq!(policy.limiter("slow"), RateLimiter::new(of(10 * SECOND), 10, of(60 * SECOND)));
    assert_eq!(policy.limiter("other"), RateLimiter::new(of(SECOND / 10), 10, of(60 * SECOND)));
}

/// Returns when calls go that come at these times, each with the time until its deadline; none for a refused call.
fn starts(world: &World, limiter: RateLimiter, calls: &[(u64, Option<u64>)]) -> Vec<Option<u64>> {
    world.run_all(calls.iter().map(|(arrival, remaining)| async move {
        clock::wait_for(of(*arrival)).await;
        match limiter.take("a", remaining.map(of)).await.expect("a store that works") {
            Turn::After(wait) => {
                let is_in_time = remaining.is_none_or(|remaining| wait.is_zero() || wait < of(remaining));
                assert!(wait <= limiter.max_wait() && is_in_time);
                Some(arrival + clock::nanoseconds(wait))
            }
            Turn::TooLate(_) => None,
        }
    }))
}

/// Checks that no window has more than its burst and its share.
fn is_within(starts: &[Option<u64>], interval: u64, burst: u32) -> Result<(), TestCaseError> {
    let mut starts: Vec<u64> = starts.iter().flatten().copied().collect();
    starts.sort_unstable();
    for (first, from) in starts.iter().enumerate() {
        for (last, to) in starts.iter().enumerate().skip(first) {
            let share = (to - from) / interval;
            prop_assert!((last - first) as u64 <= u64::from(burst) + share, "{} to {}", from, to);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_window_has_more_than_its_burst_and_its_share(
        rate in 1.0..6000.0f64,
        burst in 1u32..20,
        pauses in prop::collection::vec(0u64..3 * SECOND, 1..80),
    ) {
        let (burst_setting, max_wait_seconds) = (Count::new(burst), Amount::new(36_000.0));
        let settings =
            Settings { requests_per_minute: rate, burst: burst_setting, max_wait_seconds, ..Settings::default() };
        let limiter = Policy::new(settings).limiter("a");
        let mut now = 0;
        let calls: Vec<_> = pauses.iter().map(|pause| { now += pause; (now, None) }).collect();
        let starts = starts(&World::new(), limiter, &calls);
        is_within(&starts, clock::nanoseconds(limiter.interval()), burst)?;
        prop_assert!(starts.iter().all(Option::is_some));
    }

    /// With any delay of the store: calls keep to the limit together, each asks the store a few times, and a turn that came
    /// too late delays others by no more than the longest wait.
    #[test]
    fn many_at_once_keep_to_the_pace_of_a_store_that_yields(
        interval in SECOND / 1000..SECOND,
        burst in 1u32..8,
        max_wait in 0..3 * SECOND,
        delay in 0u64..20,
        calls in prop::collection::vec((0u64..2 * SECOND, prop::option::of(0u64..2 * SECOND)), 1..60),
    ) {
        let limiter = RateLimiter::new(of(interval), burst, of(max_wait));
        let world = World::new().state_after(Duration::from_millis(delay));
        let starts = starts(&world, limiter, &calls);
        is_within(&starts, interval, burst)?;
        prop_assert!(starts.iter().any(Option::is_some), "nobody had a turn");
        prop_assert!(world.state_operations() <= 8 * calls.len() + 60, "{} operations", world.state_operations());
        world.run(clock::wait_for(of(2 * SECOND + interval + max_wait)));
        prop_assert!(matches!(world.run(limiter.take("a", None)), Ok(Turn::After(_))));
    }
}
