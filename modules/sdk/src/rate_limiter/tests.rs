use super::*;
use crate::{clock, testing::World};

const SECOND: u64 = 1_000_000_000;

fn of(nanoseconds: u64) -> Duration {
    Duration::from_nanos(nanoseconds)
}

/// The times at which callers go who come at these times; none for a caller who would go too late.
fn turns(limiter: RateLimiter, arrivals: &[u64]) -> Vec<Option<u64>> {
    let mut kept = 0;
    let turn = |now: &u64| {
        let free = limiter.next(kept, *now, None).ok()?;
        kept = free.used_up;
        Some(now + free.wait)
    };
    arrivals.iter().map(turn).collect()
}

#[test]
fn a_burst_goes_at_once_and_the_others_in_turn() {
    let turns = turns(RateLimiter::new(of(SECOND), 3, of(60 * SECOND)), &[SECOND; 6]);
    assert_eq!(turns, [1, 1, 1, 2, 3, 4].map(|at| Some(at * SECOND)));
}

#[test]
fn a_caller_who_would_wait_too_long_takes_no_turn() {
    let limiter = RateLimiter::new(of(SECOND), 1, of(SECOND * 3 / 2));
    assert_eq!(turns(limiter, &[10 * SECOND; 4]), [Some(10 * SECOND), Some(11 * SECOND), None, None]);
    assert_eq!(limiter.next(12 * SECOND, 10 * SECOND, None), Err(2 * SECOND));
    assert_eq!(limiter.next(11 * SECOND, 10 * SECOND, Some(SECOND / 2)), Err(SECOND));
}

#[test]
fn after_the_clock_goes_back_nobody_waits_longer_than_the_longest_wait() {
    let limiter = RateLimiter::new(of(SECOND), 5, of(10 * SECOND));
    let world = World::new();
    world.run(async {
        state::set("k".to_owned(), (3600 * SECOND).to_string().into_bytes()).await.unwrap();
        assert_eq!(limiter.take("k", None).await, Ok(Turn::TooLate(of(11 * SECOND))));
        clock::wait_for(of(SECOND)).await;
        assert_eq!(limiter.take("k", None).await, Ok(Turn::After(of(10 * SECOND))));
        clock::wait_for(of(16 * SECOND)).await;
        assert_eq!(limiter.take("k", None).await, Ok(Turn::After(of(0))));
    });
}

#[test]
fn a_kept_value_that_is_no_time_is_ignored() {
    for kept in ["", "-5", "soon", "99999999999999999999"] {
        World::new().run(async {
            state::set("k".to_owned(), kept.as_bytes().to_vec()).await.unwrap();
            let limiter = RateLimiter::new(of(SECOND), 1, of(0));
            assert_eq!(limiter.take("k", None).await, Ok(Turn::After(of(0))), "{kept}");
            assert_eq!(limiter.take("k", None).await, Ok(Turn::TooLate(of(SECOND))), "{kept}");
        });
    }
}

#[test]
fn an_interval_that_the_store_cannot_count_ends() {
    World::new().run(async {
        let limiter = RateLimiter::new(of(u64::MAX), u32::MAX, of(u64::MAX));
        let mut taken = 0;
        while matches!(limiter.take("k", None).await, Ok(Turn::After(_))) {
            taken += 1;
            assert!(taken < 10, "it never ends");
        }
    });
}
