//! Counts what a call may use before it is sent, and what it has used after.

use std::time::Duration;

use arcllm_module::{
    clock,
    state::{self, Added, Addition},
};

use crate::{amounts::Amounts, policy::Counter, settings::Window};

/// How much later a window may end than it did, and still be the same. Clocks differ a little.
const SLACK: Duration = Duration::from_secs(1);

/// What a call has reserved.
pub(crate) struct Reservation {
    counters: Vec<Reserved>,
    /// When it was made, by the monotonic clock.
    at: Duration,
}

/// What a call has reserved of one counter.
struct Reserved {
    counter: Counter,
    amount: i64,
    /// The time from the reservation until the window ends.
    ends_in: Option<Duration>,
}

/// What became of the wish for a reservation.
pub(crate) enum Outcome {
    /// It is made. These are the counters with it.
    Made(Reservation, Vec<i64>),
    /// It would pass the limit of this counter, which has counted so much.
    Refused { counter: Counter, count: i64, ends_in: Option<Duration> },
}

impl Reservation {
    /// Reserves these amounts of all counters, or of none.
    pub(crate) async fn make(counters: Vec<Counter>, amounts: Amounts) -> Result<Outcome, String> {
        let addition = |counter: &Counter| addition(counter, counter.part(amounts), Some(counter.most));
        let additions = counters.iter().map(addition).collect();
        let at = clock::now();
        let added = state::add(additions).await?;
        let pairs = counters.into_iter().zip(&added.sums);
        if let Some(refused) = added.refused {
            let (counter, sum) = pairs
                .into_iter()
                .nth(usize::try_from(refused).unwrap_or(usize::MAX))
                .ok_or_else(|| "the store refused an addition that there was not".to_owned())?;
            return Ok(Outcome::Refused { counter, count: sum.value, ends_in: time(sum.ends_in) });
        }
        let reserved = pairs.map(|(counter, sum)| {
            let amount = counter.part(amounts);
            Reserved { counter, amount, ends_in: time(sum.ends_in) }
        });
        let counts = added.sums.iter().map(|sum| sum.value).collect();
        Ok(Outcome::Made(Self { counters: reserved.collect(), at }, counts))
    }

    /// Reserves nothing of these counters: the store failed.
    pub(crate) fn none(counters: Vec<Counter>) -> Self {
        let counters = counters.into_iter().map(|counter| Reserved { counter, amount: 0, ends_in: None }).collect();
        Self { counters, at: clock::now() }
    }

    /// Returns the counters.
    pub(crate) fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.counters.iter().map(|reserved| &reserved.counter)
    }

    /// Whether another call like this one would be refused, unless this one uses less than it has reserved.
    pub(crate) fn is_tight(&self, counts: &[i64]) -> bool {
        let pairs = self.counters.iter().zip(counts);
        pairs.into_iter().any(|(reserved, count)| count.saturating_add(reserved.amount) > reserved.counter.most)
    }

    /// Counts what was used in place of what was reserved. Returns the counters after that, each with the time until it ends.
    pub(crate) async fn settle(self, used: Amounts) -> Result<Vec<(Counter, i64)>, String> {
        let passed = clock::now().saturating_sub(self.at);
        let additions: Vec<_> =
            self.counters.iter().map(|one| addition(&one.counter, one.delta(used, passed), None)).collect();
        let added = state::add(additions.clone()).await?;
        self.take_back(&additions, &added, passed).await?;
        let counters = self.counters.into_iter().map(|reserved| reserved.counter);
        Ok(counters.zip(added.sums.iter().map(|sum| sum.value)).collect())
    }

    /// Takes back what was given to a window that has only just begun: what it would get back was reserved of the one before.
    async fn take_back(&self, additions: &[Addition], added: &Added, passed: Duration) -> Result<(), String> {
        let is_next = |one: &Reserved, ends_in: Option<u64>| match (one.ends_in, time(ends_in)) {
            (Some(then), Some(now)) => now > then.saturating_sub(passed).saturating_add(SLACK),
            _ => false,
        };
        let wrong = self.counters.iter().zip(additions).zip(&added.sums);
        let wrong = wrong.filter(|((one, addition), sum)| addition.delta < 0 && is_next(one, sum.ends_in));
        let back: Vec<_> =
            wrong.map(|((one, addition), _)| self::addition(&one.counter, -addition.delta, None)).collect();
        if !back.is_empty() {
            state::add(back).await?;
        }
        Ok(())
    }
}

impl Reserved {
    /// What to add so that the counter has what was used. If the window of the reservation is over, nothing is given back.
    fn delta(&self, used: Amounts, passed: Duration) -> i64 {
        let delta = self.counter.part(used).saturating_sub(self.amount);
        let is_over = self.counter.window != Window::Total && self.ends_in.is_none_or(|ends_in| passed >= ends_in);
        if is_over { delta.max(0) } else { delta }
    }
}

fn addition(counter: &Counter, delta: i64, most: Option<i64>) -> Addition {
    Addition { key: counter.key.clone(), delta, most, life: counter.window.life() }
}

/// The time that the store gave in nanoseconds.
fn time(ends_in: Option<u64>) -> Option<Duration> {
    ends_in.map(Duration::from_nanos)
}
