//! Times until answers began, counted in steps. Plain Rust, without WebAssembly.

/// The upper end of the first step, in nanoseconds; each further one ends two fifths later.
const FIRST: f64 = 1e7;
/// How much longer the next step is.
const FACTOR: f64 = 1.4;
/// The number of steps. The last one ends after more than five minutes, and has all that took longer. The steps of two windows are read
/// at once, and the host takes 64 keys.
pub(crate) const STEPS: usize = 32;

/// Returns the step of a time in nanoseconds.
pub(crate) fn step(took: u64) -> usize {
    (0..STEPS).find(|at| took <= end(*at)).unwrap_or(STEPS - 1)
}

/// Returns the time in nanoseconds within which 95 of 100 answers began, rounded up to the end of a step. `counts` has how many there
/// were in each step. None if they are fewer than `least`.
pub(crate) fn p95(counts: &[u64], least: u32) -> Option<u64> {
    let total = counts.iter().fold(0_u64, |total, count| total.saturating_add(*count));
    if total < u64::from(least.max(1)) {
        return None;
    }
    let wanted = u128::from(total).saturating_mul(95).div_ceil(100);
    let mut seen = 0_u128;
    let reached = |count: &u64| {
        seen += u128::from(*count);
        seen >= wanted
    };
    counts.iter().position(reached).map(end)
}

fn end(step: usize) -> u64 {
    (FIRST * FACTOR.powi(i32::try_from(step).unwrap_or(i32::MAX))) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_p95_is_that_of_the_times_up_to_two_fifths(mut times in prop::collection::vec(10_000_000_u64..300_000_000_000, 20..300)) {
            let mut counts = [0; STEPS];
            times.iter().for_each(|time| counts[step(*time)] += 1);
            times.sort_unstable();
            let exact = times[(times.len() * 95).div_ceil(100) - 1];
            let found = p95(&counts, 20).unwrap();
            prop_assert!(found >= exact && found as f64 <= exact as f64 * FACTOR + 1.0, "{found} for {exact}");
            prop_assert_eq!(p95(&counts, u32::try_from(times.len()).unwrap() + 1), None);
        }

        #[test]
        fn any_time_has_a_step_and_any_counts_a_p95(took: u64, counts in prop::collection::vec(any::<u64>(), 0..=STEPS), least: u32) {
            prop_assert!(step(took) < STEPS);
            let _ = p95(&counts, least);
        }
    }
}
