//! Limits which share of the calls ask a second target.
//!
//! Each call earns a part of a second request, and a second request costs a whole one. Each instance spends what its own calls have
//! earned, without asking anybody. So the share holds for the sum of all instances and processes.

/// A second request, in the unit in which calls earn.
const WHOLE: u64 = 1_000_000;

/// What the calls of an instance have earned. Times are nanoseconds.
#[derive(Debug, Clone)]
pub struct Share {
    per_call: u64,
    window: u64,
    /// When the newer half began.
    since: u64,
    /// What was earned in the half before it.
    older: u64,
    newer: u64,
}

impl Share {
    /// Makes one of this share of the calls, from 0 to 1. What is earned is kept for the window, and for less than twice as long.
    pub fn new(share: f64, window: u64) -> Self {
        // Rounded down, so that the share is never exceeded.
        Self { per_call: (share * WHOLE as f64) as u64, window: window.max(1), since: 0, older: 0, newer: 0 }
    }

    /// Adds what a call earns.
    pub fn earn(&mut self, now: u64) {
        self.forget(now);
        self.newer = self.newer.saturating_add(self.per_call);
    }

    /// Spends a second request, if there is one.
    pub fn take(&mut self, now: u64) -> bool {
        self.forget(now);
        if self.older.saturating_add(self.newer) < WHOLE {
            return false;
        }
        let from_older = self.older.min(WHOLE);
        self.older -= from_older;
        self.newer = self.newer.saturating_sub(WHOLE - from_older);
        true
    }

    fn forget(&mut self, now: u64) {
        let passed = now.saturating_sub(self.since) / self.window;
        if passed == 0 {
            return;
        }
        self.older = if passed == 1 { self.newer } else { 0 };
        self.newer = 0;
        self.since = now - (now.saturating_sub(self.since) % self.window);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Over any order of calls and waits, and also in each time of two windows.
        #[test]
        fn no_more_than_the_share_is_ever_spent(
            share in 0.0..=1.0_f64,
            steps in prop::collection::vec((0_u64..40, any::<bool>()), 1..400),
        ) {
            let (mut budget, mut now) = (Share::new(share, 100), 0);
            let (mut calls, mut spent) = (Vec::new(), Vec::new());
            for (wait, wants) in steps {
                now += wait;
                budget.earn(now);
                calls.push(now);
                if wants && budget.take(now) {
                    spent.push(now);
                }
                for window in [200, u64::MAX] {
                    let within = |times: &[u64]| times.iter().filter(|time| now - **time < window).count() as f64;
                    // What is spent in a window was earned in it, or in the two windows before it.
                    let earned = calls.iter().filter(|time| now - **time < window.saturating_add(200)).count() as f64;
                    prop_assert!(within(&spent) <= share * earned + 1e-6);
                }
            }
        }
    }

    #[test]
    fn a_share_of_calls_is_spent_and_what_is_old_is_lost() {
        let mut share = Share::new(0.05, 100);
        let spent = (0..100)
            .filter(|_| {
                share.earn(1);
                share.take(1)
            })
            .count();
        assert_eq!(spent, 5);
        (0..40).for_each(|_| share.earn(1));
        assert!(share.take(150));
        assert!(!share.take(300), "all is lost after two windows");
        let mut all = Share::new(1.0, 100);
        all.earn(0);
        assert!(all.take(0) && !all.take(0));
    }
}
