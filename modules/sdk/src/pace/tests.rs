use super::*;
use crate::{clock, testing::World};

const SECOND: u64 = 1_000_000_000;

/// When turns are that are asked for at these times; none for one that comes too late.
fn turns(pace: Pace, arrivals: &[u64]) -> Vec<Option<u64>> {
    let mut kept = 0;
    let turn = |now: &u64| match pace.place(kept, *now, None) {
        Place::After { wait, even_at } => {
            kept = even_at;
            Some(now + wait)
        }
        Place::TooLate { .. } => None,
    };
    arrivals.iter().map(turn).collect()
}

#[test]
fn a_burst_goes_at_once_and_the_others_in_turn() {
    let turns = turns(Pace::new(SECOND, 3, 60 * SECOND), &[SECOND; 6]);
    assert_eq!(turns, [1, 1, 1, 2, 3, 4].map(|at| Some(at * SECOND)));
}

#[test]
fn who_would_wait_too_long_takes_no_turn() {
    let pace = Pace::new(SECOND, 1, SECOND * 3 / 2);
    assert_eq!(turns(pace, &[10 * SECOND; 4]), [Some(10 * SECOND), Some(11 * SECOND), None, None]);
    assert_eq!(pace.place(12 * SECOND, 10 * SECOND, None), Place::TooLate { wait: 2 * SECOND });
    let soon = pace.place(11 * SECOND, 10 * SECOND, Some(SECOND / 2));
    assert_eq!(soon, Place::TooLate { wait: SECOND });
}

/// What is kept is then ahead of all that can be.
#[test]
fn a_clock_that_goes_back_holds_nobody_up_for_longer_than_the_longest_wait() {
    let pace = Pace::new(SECOND, 5, 10 * SECOND);
    let world = World::new();
    world.run(async {
        state::set("k".to_owned(), (3600 * SECOND).to_string().into_bytes()).await.unwrap();
        assert_eq!(pace.take("k", None).await, Ok(Turn::TooLate(11 * SECOND)));
        clock::wait_for(SECOND).await;
        assert_eq!(pace.take("k", None).await, Ok(Turn::After(10 * SECOND)));
        clock::wait_for(16 * SECOND).await;
        assert_eq!(pace.take("k", None).await, Ok(Turn::After(0)));
    });
}

#[test]
fn what_is_no_time_is_as_if_nothing_were_kept() {
    for kept in ["", "-5", "soon", "99999999999999999999"] {
        World::new().run(async {
            state::set("k".to_owned(), kept.as_bytes().to_vec()).await.unwrap();
            let pace = Pace::new(SECOND, 1, 0);
            assert_eq!(pace.take("k", None).await, Ok(Turn::After(0)), "{kept}");
            assert_eq!(pace.take("k", None).await, Ok(Turn::TooLate(SECOND)), "{kept}");
        });
    }
}

#[test]
fn a_pace_that_the_store_cannot_count_stands_still() {
    World::new().run(async {
        let pace = Pace::new(u64::MAX, u32::MAX, u64::MAX);
        let mut taken = 0;
        while matches!(pace.take("k", None).await, Ok(Turn::After(_))) {
            taken += 1;
            assert!(taken < 10, "it never ends");
        }
    });
}
