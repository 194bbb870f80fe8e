//! Limits which share of the calls ask a second target.
//!
//! Each call earns a part of a second request, and a second request costs a whole one. Both are counted in the state, so the share
//! holds for all instances and all processes together. A counter holds what was spent less what was earned, in one window. It never
//! comes above zero: the store refuses that in the same step in which it counts.

use arcllm_module::{
    clock,
    state::{self, Added, Addition, Life},
};

/// A second request, in the unit in which calls earn.
const WHOLE: i64 = 1_000_000;

/// How often a second request is tried to be paid, if others have spent what it would have been paid with.
const TRIES: usize = 3;

/// Which share of the calls ask a second target.
#[derive(Debug, Clone)]
pub struct Share {
    per_call: i64,
    /// In nanoseconds.
    window: u64,
}

/// What is left of the window under way and of the one before.
#[derive(Debug, Clone)]
pub struct Left {
    keys: [String; 2],
    /// What can be spent, in the order of the keys: the older window first.
    credits: [i64; 2],
}

impl Share {
    /// Makes one of this share of the calls, from 0 to 1. What is earned is kept for the window, in nanoseconds, and for less than
    /// twice as long.
    pub fn new(share: f64, window: u64) -> Self {
        // Rounded down, so that the share is never exceeded.
        Self { per_call: (share * WHOLE as f64) as i64, window: window.max(1) }
    }

    /// Whether no call can ever ask a second target.
    pub fn is_nothing(&self) -> bool {
        self.per_call <= 0
    }

    /// Counts a call, and returns what is left.
    ///
    /// # Errors
    ///
    /// The store's own error.
    pub async fn earn(&self) -> Result<Left, String> {
        let number = clock::nanoseconds(clock::unix_time()) / self.window;
        let key = |number: u64| format!("share {} {} {number}", self.per_call, self.window);
        let keys = [key(number.saturating_sub(1)), key(number)];
        // At the first window of all, both are one.
        let added = self.add(&keys, [0, -self.per_call], None).await?;
        Ok(Left { credits: credits(&added), keys })
    }

    /// Pays for a second request. Returns whether it may be sent.
    ///
    /// # Errors
    ///
    /// The store's own error.
    pub async fn spend(&self, mut left: Left) -> Result<bool, String> {
        for _ in 0..TRIES {
            let Some(price) = price(left.credits) else { return Ok(false) };
            let added = self.add(&left.keys, price, Some(0)).await?;
            if added.refused.is_none() {
                return Ok(true);
            }
            left.credits = credits(&added);
        }
        Ok(false)
    }

    async fn add(&self, keys: &[String; 2], deltas: [i64; 2], most: Option<i64>) -> Result<Added, String> {
        let life = Life::Time(self.window.saturating_mul(2));
        let additions = keys.iter().zip(deltas).map(|(key, delta)| Addition { key: key.clone(), delta, most, life });
        state::add(additions.collect()).await
    }
}

fn credits(added: &Added) -> [i64; 2] {
    let credit = |at: usize| added.sums.get(at).map_or(0, |sum| sum.value.saturating_neg().max(0));
    [credit(0), credit(1)]
}

/// Divides the price of a second request: what is lost first is spent first. None if there is too little.
fn price([older, newer]: [i64; 2]) -> Option<[i64; 2]> {
    let from_older = older.clamp(0, WHOLE);
    (newer >= WHOLE - from_older).then_some([from_older, WHOLE - from_older])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arcllm_module::testing::World;
    use proptest::prelude::*;

    use super::*;

    const WINDOW: u64 = 100_000_000_000;

    /// A world in whose first window nothing happens.
    fn world() -> World {
        let world = World::new();
        world.run(clock::wait_for(Duration::from_nanos(2 * WINDOW)));
        world
    }

    fn earn(world: &World, share: &Share) -> Left {
        world.run(share.earn()).unwrap()
    }

    proptest! {
        /// Over any order of calls and waits of several instances, and also in each time of two windows.
        #[test]
        fn no_more_than_the_share_is_ever_spent(
            share in 0.0..=1.0_f64,
            steps in prop::collection::vec((0_u64..40, any::<bool>()), 1..200),
        ) {
            let (world, per_call) = (world(), share);
            let (mut calls, mut spent) = (Vec::new(), Vec::new());
            for (wait, wants) in steps {
                world.run(clock::wait_for(Duration::from_nanos(wait * WINDOW / 100)));
                // Each call is served by an instance of its own.
                let share = Share::new(per_call, WINDOW);
                let left = earn(&world, &share);
                calls.push(world.now());
                if wants && world.run(share.spend(left)).unwrap() {
                    spent.push(world.now());
                }
                for window in [2 * WINDOW, u64::MAX] {
                    let within = |times: &[Duration], length: u64| {
                        times.iter().filter(|time| world.now() - **time < Duration::from_nanos(length)).count() as f64
                    };
                    // What is spent in a window was earned in it, or in the two windows before it.
                    let earned = within(&calls, window.saturating_add(2 * WINDOW));
                    prop_assert!(within(&spent, window) <= per_call * earned + 1e-6);
                }
            }
        }
    }

    #[test]
    fn a_share_of_calls_is_spent_and_what_is_old_is_lost() {
        let (world, share) = (world(), Share::new(0.05, WINDOW));
        let spends = |_: &u32| {
            let left = earn(&world, &share);
            world.run(share.spend(left)).unwrap()
        };
        assert_eq!((0..100).filter(spends).count(), 5);
        (0..39).for_each(|_| drop(earn(&world, &share)));
        world.run(clock::wait_for(Duration::from_nanos(WINDOW)));
        assert!(spends(&0), "from the older window alone");
        assert!(spends(&0), "from both windows");
        world.run(clock::wait_for(Duration::from_nanos(2 * WINDOW)));
        assert!(!spends(&0), "all is lost after two windows");
        let all = Share::new(1.0, WINDOW);
        assert!(world.run(async { all.spend(all.earn().await.unwrap()).await.unwrap() }));
        assert!(Share::new(0.0, WINDOW).is_nothing() && Share::new(1e-9, WINDOW).is_nothing());
    }

    #[test]
    fn calls_that_come_at_once_spend_together_what_they_have_earned() {
        let world = world().state_after(Duration::from_millis(5));
        let shares: Vec<_> = (0..64).map(|_| Share::new(0.05, WINDOW)).collect();
        let spent = world.run_all(shares.iter().map(async |share| {
            let left = share.earn().await.unwrap();
            clock::wait_for(Duration::from_secs(1)).await;
            // Others came in between.
            share.spend(Left { credits: [0, 3_200_000], ..left }).await.unwrap()
        }));
        assert_eq!(spent.into_iter().filter(|spent| *spent).count(), 3);
    }
}
