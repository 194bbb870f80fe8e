use std::time::Duration;

use arcllm_module::{Turn, clock, testing::World};
use proptest::prelude::*;

use super::*;
use crate::config::ProviderLimit;

const SECOND: u64 = 1_000_000_000;

#[test]
fn a_provider_has_a_limit_of_its_own() {
    let own = ProviderLimit { requests_per_minute: Some(6.0), burst: None };
    let settings = Settings { providers: [("slow".to_owned(), own)].into(), ..Settings::default() };
    let policy = Policy::new(settings);
    assert_eq!(policy.pace("slow"), Pace::new(10 * SECOND, 10, 60 * SECOND));
    assert_eq!(policy.pace("other"), Pace::new(SECOND / 10, 10, 60 * SECOND));
}

/// When calls go that come at these times, each with what remains until its deadline; none for one that is refused.
fn starts(world: &World, pace: Pace, calls: &[(u64, Option<u64>)]) -> Vec<Option<u64>> {
    world.run_all(calls.iter().map(|(arrival, remaining)| async move {
        clock::wait_for(*arrival).await;
        match pace.take("a", *remaining).await.expect("a store that works") {
            Turn::After(wait) => {
                assert!(wait <= pace.max_wait() && remaining.is_none_or(|remaining| wait == 0 || wait < remaining));
                Some(arrival + wait)
            }
            Turn::TooLate(_) => None,
        }
    }))
}

/// No window has more than its burst and its share.
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
        let settings = Settings { requests_per_minute: rate, burst, max_wait_seconds: 36_000.0, ..Settings::default() };
        let pace = Policy::new(settings).pace("a");
        let mut now = 0;
        let calls: Vec<_> = pauses.iter().map(|pause| { now += pause; (now, None) }).collect();
        let starts = starts(&World::new(), pace, &calls);
        is_within(&starts, pace.interval(), burst)?;
        prop_assert!(starts.iter().all(Option::is_some));
    }

    /// Whatever the store's delay, and however calls come: together they keep to the pace, each asks the store a few times,
    /// and turns that came too late are in nobody's way for longer than the longest wait.
    #[test]
    fn many_at_once_keep_to_the_pace_of_a_store_that_yields(
        interval in SECOND / 1000..SECOND,
        burst in 1u32..8,
        max_wait in 0..3 * SECOND,
        delay in 0u64..20,
        calls in prop::collection::vec((0u64..2 * SECOND, prop::option::of(0u64..2 * SECOND)), 1..60),
    ) {
        let pace = Pace::new(interval, burst, max_wait);
        let world = World::new().state_after(Duration::from_millis(delay));
        let starts = starts(&world, pace, &calls);
        is_within(&starts, interval, burst)?;
        prop_assert!(starts.iter().any(Option::is_some), "nobody had a turn");
        prop_assert!(world.state_operations() <= 8 * calls.len() + 60, "{} operations", world.state_operations());
        world.run(clock::wait_for(2 * SECOND + interval + max_wait));
        prop_assert!(matches!(world.run(pace.take("a", None)), Ok(Turn::After(_))));
    }
}
