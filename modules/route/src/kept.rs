//! What is known about targets from earlier calls: outages, and how soon they began. Plain Rust, without WebAssembly.

use std::collections::{BTreeMap, BTreeSet};

/// With so many answers in the window under way, those of the one before do not count.
const ENOUGH: u64 = 10;

/// What is known about the targets of a rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    avoided: BTreeSet<String>,
    begins_after: BTreeMap<String, f64>,
}

/// Times until answers began, of one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Their sum in microseconds.
    pub sum: u64,
    /// How many there were.
    pub count: u64,
}

impl Kept {
    /// Notes that a target had an outage.
    pub fn avoid(&mut self, target: &str) {
        self.avoided.insert(target.to_owned());
    }

    /// Notes the times of a target, of the window under way and of the one before.
    pub fn measured(&mut self, target: &str, newer: Times, older: Times) {
        let both = Times { sum: newer.sum.saturating_add(older.sum), count: newer.count.saturating_add(older.count) };
        let Times { sum, count } = if newer.count >= ENOUGH { newer } else { both };
        if count > 0 {
            self.begins_after.insert(target.to_owned(), sum as f64 / count as f64);
        }
    }

    /// Whether this target is avoided.
    pub fn is_avoided(&self, target: &str) -> bool {
        self.avoided.contains(target)
    }

    /// Returns the moving time until its answers began, in microseconds, if it was measured lately.
    pub fn begins_after(&self, target: &str) -> Option<f64> {
        self.begins_after.get(target).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_newer_window_once_that_has_enough() {
        let (mut kept, older) = (Kept::default(), Times { sum: 9_000, count: 9 });
        kept.measured("a", Times::default(), Times::default());
        assert_eq!(kept.begins_after("a"), None);
        kept.measured("a", Times { sum: 3_000, count: 1 }, older);
        assert_eq!(kept.begins_after("a"), Some(1_200.0));
        kept.measured("a", Times { sum: 30_000, count: 10 }, older);
        assert_eq!(kept.begins_after("a"), Some(3_000.0));
        kept.measured("a", Times { sum: u64::MAX, count: u64::MAX }, Times { sum: u64::MAX, count: u64::MAX });
        assert_eq!(kept.begins_after("a"), Some(1.0));
    }
}
