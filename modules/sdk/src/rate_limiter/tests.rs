use super::*;
use crate::{clock, testing::World};

const SECOND: Duration = Duration::from_secs(1);

/// The seconds at which callers go who come at these seconds; none for a caller who would go too late.
#[expect(clippy::panic, reason = "a test that fails here has failed")]
fn turns(limiter: RateLimiter, arrivals: &[u32]) -> Vec<Option<u64>> {
    World::new().run(async {
        let mut turns = Vec::new();
        for arrival in arrivals {
            clock::wait_for((SECOND * *arrival).saturating_sub(clock::unix_time())).await;
            turns.push(match limiter.take("k", None).await {
                Ok(Turn::After(wait)) => Some((clock::unix_time() + wait).as_secs()),
                Ok(Turn::TooLate(_)) => None,
                Err(problem) => panic!("{problem}"),
            });
        }
        turns
    })
}

#[test]
fn a_burst_goes_at_once_and_the_others_in_turn() {
    let turns = turns(RateLimiter::new(SECOND, 3, 60 * SECOND), &[1, 1, 1, 1, 1, 1, 9]);
    assert_eq!(turns, [1, 1, 1, 2, 3, 4, 9].map(Some));
}

#[test]
fn a_caller_who_would_wait_too_long_takes_no_turn() {
    let limiter = RateLimiter::new(SECOND, 1, SECOND * 3 / 2);
    assert_eq!(turns(limiter, &[10, 10, 10, 10, 11]), [Some(10), Some(11), None, None, Some(12)]);
}

#[test]
fn a_turn_at_the_deadline_comes_too_late() {
    let limiter = RateLimiter::new(SECOND, 1, 60 * SECOND);
    World::new().run(async {
        assert_eq!(limiter.take("k", Some(Duration::ZERO)).await, Ok(Turn::After(Duration::ZERO)));
        assert_eq!(limiter.take("k", Some(SECOND)).await, Ok(Turn::TooLate(SECOND)));
        assert_eq!(limiter.take("k", Some(SECOND * 2)).await, Ok(Turn::After(SECOND)));
    });
}

#[test]
fn a_turn_is_one_operation() {
    let world = World::new().state_after(Duration::from_millis(1));
    let limiter = RateLimiter::new(SECOND, 1, 60 * SECOND);
    world.run_all((0..64).map(|_| limiter.take("k", None)));
    assert_eq!(world.state_operations(), 64);
}

#[test]
fn limits_that_no_store_can_count_do_no_harm() {
    for (interval, burst) in [(Duration::MAX, u32::MAX), (Duration::ZERO, 0), (Duration::ZERO, u32::MAX)] {
        World::new().run(async {
            let limiter = RateLimiter::new(interval, burst, Duration::MAX);
            for _ in 0..3 {
                limiter.take("k", None).await.unwrap();
            }
        });
    }
}
