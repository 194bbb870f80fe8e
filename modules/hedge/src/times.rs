//! How long answers of a model took to begin, as the state keeps it for everybody who shares it.
//!
//! Each step of the histogram is a counter of the window under way or of the one before. It ends by itself. To count is one step
//! for the store, and so is to read.

use arcllm_module::{
    Request, clock,
    state::{self, Addition, Life},
};

use crate::histogram::{STEPS, p95, step};

/// The longest name of a model in a key, in bytes. The store takes keys of 512 bytes.
const LONGEST_MODEL: usize = 400;

/// The times of one model.
#[derive(Debug, Clone)]
pub struct Times {
    /// Whole answers take longer to begin than streamed ones, so they count apart.
    model: String,
    /// In nanoseconds.
    window: u64,
}

impl Times {
    /// Those of the model that a request goes to, counted in windows of this length in nanoseconds.
    pub fn of(request: &Request, window: u64) -> Self {
        let way = if request.streamed() { "streamed" } else { "whole" };
        let mut model = format!("{way} {}/{}", request.provider(), request.model());
        model.truncate(model.floor_char_boundary(LONGEST_MODEL));
        Self { model, window: window.max(1) }
    }

    /// The name of the model, with how its answers are read.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Counts a time in nanoseconds.
    ///
    /// # Errors
    ///
    /// The store's own error.
    pub async fn count(&self, took: u64) -> Result<(), String> {
        let life = Life::Time(self.window.saturating_mul(2));
        let addition = Addition { key: self.key(self.number(), step(took)), delta: 1, most: None, life };
        state::add(vec![addition]).await.map(drop)
    }

    /// Returns the time in nanoseconds within which 95 of 100 answers of the last two windows began. None if they were fewer
    /// than `least`.
    ///
    /// # Errors
    ///
    /// The store's own error.
    pub async fn p95(&self, least: u32) -> Result<Option<u64>, String> {
        let number = self.number();
        let of = |number: u64| (0..STEPS).map(move |step| self.key(number, step));
        let kept = state::get_many(of(number).chain(of(number.saturating_sub(1))).collect()).await?;
        let count = |kept: &Option<Vec<u8>>| {
            let text = kept.as_deref().and_then(|kept| std::str::from_utf8(kept).ok());
            text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default()
        };
        let (newer, older) = kept.split_at_checked(STEPS).unwrap_or_default();
        let counts = newer.iter().zip(older).map(|(newer, older)| count(newer).saturating_add(count(older)));
        Ok(p95(&counts.collect::<Vec<_>>(), least))
    }

    /// The number of the window under way.
    fn number(&self) -> u64 {
        clock::nanoseconds(clock::unix_time()) / self.window
    }

    fn key(&self, number: u64, step: usize) -> String {
        format!("{number} {step} {}", self.model)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arcllm_module::testing::World;

    use super::*;

    #[test]
    fn times_of_the_last_two_windows_count_and_older_ones_do_not() {
        let world = World::new();
        let times = Times::of(&world.request("Hi"), 1000);
        world.run(async {
            clock::wait_for(Duration::from_nanos(5000)).await;
            for _ in 0..9 {
                times.count(2_000_000_000).await.unwrap();
            }
            assert_eq!(times.p95(10).await, Ok(None));
            clock::wait_for(Duration::from_nanos(1000)).await;
            assert!(times.p95(9).await.unwrap().is_some_and(|p95| p95 >= 2_000_000_000));
            clock::wait_for(Duration::from_nanos(1000)).await;
            assert_eq!(times.p95(1).await, Ok(None));
        });
        assert_eq!(world.state_operations(), 12, "one for each count, and one for each p95");
    }
}
