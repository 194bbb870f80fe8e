//! How long answers took to begin, in a small histogram that is kept in the state.

use serde::{Deserialize, Serialize};

/// The upper end of the first step, in nanoseconds; each further one ends a quarter later.
const FIRST: f64 = 1e7;
/// How much longer the next step is.
const FACTOR: f64 = 1.25;
/// The number of steps. The last one ends after six minutes, and has all that took longer.
const STEPS: usize = 48;

/// Times until answers began, of the window under way and of the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// When the window began, in nanoseconds since 1970.
    since: u64,
    older: Vec<u32>,
    newer: Vec<u32>,
}

impl Histogram {
    /// Reads one. A value that cannot be read counts as none.
    pub fn read(kept: Option<&[u8]>) -> Self {
        kept.and_then(|kept| serde_json::from_slice(kept).ok()).unwrap_or_default()
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Adds a time.
    pub fn add(&mut self, took: u64, now: u64, window: u64) {
        // A clock that went back begins anew.
        let passed = now.checked_sub(self.since).map_or(2, |passed| passed / window.max(1));
        if passed > 0 {
            self.older = if passed == 1 { std::mem::take(&mut self.newer) } else { Vec::new() };
            self.newer.clear();
            self.since = now;
        }
        self.newer.resize(STEPS, 0);
        if let Some(count) = self.newer.get_mut(step(took)) {
            *count = count.saturating_add(1);
        }
    }

    /// Returns the time within which 95 of 100 answers began, rounded up to the end of a step. None if fewer than `least` were seen
    /// in the last two windows.
    pub fn p95(&self, least: u32, now: u64, window: u64) -> Option<u64> {
        let passed = now.saturating_sub(self.since) / window.max(1);
        let slices: &[&[u32]] = match passed {
            0 => &[&self.older, &self.newer],
            1 => &[&self.newer],
            _ => &[],
        };
        let count =
            |at: usize| slices.iter().filter_map(|slice| slice.get(at)).map(|count| u64::from(*count)).sum::<u64>();
        let total: u64 = (0..STEPS).map(count).sum();
        if total < u64::from(least) {
            return None;
        }
        let wanted = total.saturating_mul(95).div_ceil(100);
        let mut seen = 0;
        (0..STEPS)
            .find(|at| {
                seen += count(*at);
                seen >= wanted
            })
            .map(end)
    }
}

fn step(took: u64) -> usize {
    (0..STEPS).find(|at| took <= end(*at)).unwrap_or(STEPS - 1)
}

fn end(step: usize) -> u64 {
    (FIRST * FACTOR.powi(i32::try_from(step).unwrap_or(i32::MAX))) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: u64 = 1000;

    proptest! {
        #[test]
        fn the_p95_is_that_of_the_times_up_to_a_quarter(mut times in prop::collection::vec(10_000_000_u64..300_000_000_000, 20..300)) {
            let mut histogram = Histogram::default();
            times.iter().for_each(|time| histogram.add(*time, 5, WINDOW));
            let histogram = Histogram::read(Some(&histogram.write()));
            times.sort_unstable();
            let exact = times[(times.len() * 95).div_ceil(100) - 1];
            let found = histogram.p95(20, 5, WINDOW).unwrap();
            prop_assert!(found >= exact && found as f64 <= exact as f64 * FACTOR + 1.0, "{found} for {exact}");
        }

        #[test]
        fn any_bytes_can_be_kept(bytes in prop::collection::vec(any::<u8>(), 0..100), took: u64, now: u64, window: u64) {
            let mut histogram = Histogram::read(Some(&bytes));
            histogram.add(took, now, window);
            let _ = histogram.p95(1, now, window);
        }
    }

    #[test]
    fn too_few_and_old_times_tell_nothing() {
        let mut histogram = Histogram::default();
        (0..9).for_each(|_| histogram.add(2_000_000_000, 5 * WINDOW, WINDOW));
        assert_eq!(histogram.p95(10, 5 * WINDOW, WINDOW), None);
        assert!(histogram.p95(9, 6 * WINDOW, WINDOW).is_some());
        assert_eq!(histogram.p95(9, 7 * WINDOW, WINDOW), None);
    }
}
