//! What a provider itself says about its limits, and how all calls of a model keep to it.

use std::time::Duration;

use arcllm_module::{
    clock,
    state::{self, Bucket},
    types::{Attempt, Outcome},
};

/// The longest pause. Then one call sees whether the provider still says so: it may have been wrong.
const LONGEST: Duration = Duration::from_secs(3600);

/// The seconds that a bucket of a pause holds.
const BURST: f64 = 1e-3;

/// The share of a second that a call takes of a pause, so that it waits for the end of it.
const LOOK: f64 = 1e-6;

/// Pauses that end as close to each other as this are the same.
const SLACK: Duration = Duration::from_millis(10);

/// The longest name of a model, in bytes, in the key of a pause. Longer ones that begin alike share theirs.
const LONGEST_NAME: usize = 200;

/// Returns for how long nobody should ask this model, as its last attempt says: after a 429 until the time that it names, and after
/// any other answer until the last limit that is used up starts afresh.
pub fn pause_after(attempts: &[Attempt], provider: &str, model: &str) -> Option<Duration> {
    let of_model = |attempt: &&Attempt| attempt.provider == provider && attempt.model == model;
    let attempt = attempts.iter().rev().find(of_model)?;
    let hint = attempt.retry_after.filter(|_| matches!(attempt.outcome, Outcome::Api(429))).map(Duration::from_nanos);
    let used_up = || {
        let allowances = attempt.allowances();
        allowances.values().filter(|left| left.remaining == 0).filter_map(|left| left.resets_in()).max()
    };
    hint.or_else(used_up).filter(|pause| !pause.is_zero()).map(|pause| pause.min(LONGEST))
}

/// The pause of a model. It is a bucket of seconds, which is full while nobody is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    key: String,
}

impl Pause {
    /// The pause of this model.
    pub fn of(provider: &str, model: &str) -> Self {
        let name = format!("{provider}/{model}");
        let name = name.get(..name.floor_char_boundary(LONGEST_NAME)).unwrap_or(&name);
        Self { key: format!("pause/{name}") }
    }

    /// The bucket of a call that waits for the end of the pause.
    pub fn look(&self) -> Bucket {
        self.bucket(LOOK)
    }

    /// Lets nobody ask for this time. Of several that are told the same at once, the first one does it.
    ///
    /// # Errors
    ///
    /// The store's own error.
    pub async fn begin(&self, time: Duration) -> Result<(), String> {
        let (seconds, slack) = (time.as_secs_f64() + BURST, clock::nanoseconds(SLACK));
        // It is taken from a full bucket, which then owes it.
        let taken = state::take(vec![self.bucket(seconds)], slack).await?;
        let held = Duration::from_nanos(taken.wait);
        if taken.refused.is_none() || held.saturating_add(SLACK) >= time {
            return Ok(());
        }
        // A shorter pause is longer from now on, unless somebody else has made it so.
        let more = self.bucket(seconds - held.as_secs_f64());
        state::take(vec![more], taken.wait.saturating_add(slack)).await.map(drop)
    }

    fn bucket(&self, cost: f64) -> Bucket {
        Bucket { key: self.key.clone(), per_second: 1.0, burst: BURST, cost }
    }
}

#[cfg(test)]
mod tests {
    use arcllm_module::testing::World;

    use super::*;

    /// How long a call waits after pauses of these seconds.
    fn wait(pauses: &[u64]) -> Duration {
        World::new().run(async {
            let pause = Pause::of("a", "m");
            for seconds in pauses {
                pause.begin(Duration::from_secs(*seconds)).await.unwrap();
            }
            Duration::from_nanos(state::take(vec![pause.look()], u64::MAX).await.unwrap().wait)
        })
    }

    #[test]
    fn the_longest_of_several_pauses_counts() {
        assert_eq!(wait(&[]), Duration::ZERO);
        for (pauses, seconds) in [(&[7, 7, 7][..], 7.0), (&[7, 9, 3], 9.0), (&[1, 3600, 3600], 3600.0)] {
            let waits = wait(pauses).as_secs_f64();
            assert!(waits >= seconds && waits <= seconds + 0.02, "{pauses:?}: {waits}");
        }
    }

    #[test]
    fn one_pause_after_the_other_is_no_longer_than_it_is() {
        let world = World::new();
        world.run(async {
            let pause = Pause::of("a", "m");
            for _ in 0..5 {
                pause.begin(Duration::from_secs(1)).await.unwrap();
                let taken = state::take(vec![pause.look()], u64::MAX).await.unwrap();
                clock::wait_for(Duration::from_nanos(taken.wait)).await;
            }
        });
        assert!(
            world.now() >= Duration::from_secs(5) && world.now() < Duration::from_millis(5100),
            "{:?}",
            world.now()
        );
    }

    #[test]
    fn a_key_is_short_whatever_the_names_are() {
        let pause = Pause::of(&"p".repeat(3000), &"é".repeat(3000));
        assert!(pause.look().key.len() < 300);
    }
}
