//! Counts what a call may use before it is sent, and what it has used after.

use std::time::Duration;

use arcllm_module::{
    clock,
    state::{self, Added, Addition},
};

use crate::{amounts::Amounts, lost::Lost, policy::Counter, settings::Window};

/// How much later a window may end than it did, and still be the same. Clocks differ a little.
const SLACK: Duration = Duration::from_secs(1);

/// What a call has reserved.
pub(crate) struct Reservation {
    counters: Vec<Counter>,
    /// What it has reserved of each counter, and after that of the counters of its turn.
    reserved: Vec<Reserved>,
    /// When it was made, by the monotonic clock.
    at: Duration,
}

/// What a call has added to one key.
struct Reserved {
    key: String,
    window: Window,
    amount: i64,
    /// The index of the counter of whose turn it is; absent for a counter itself.
    turn_of: Option<usize>,
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
    /// Reserves these amounts of all counters, or of none. If one has no room, what is lost of it comes back first.
    pub(crate) async fn make(counters: Vec<Counter>, amounts: Amounts, lost: &Lost) -> Result<Outcome, String> {
        loop {
            match Self::try_to_make(counters.clone(), amounts, lost).await? {
                Outcome::Refused { counter, .. } if lost.give_back(&counter).await? => {}
                outcome => return Ok(outcome),
            }
        }
    }

    async fn try_to_make(counters: Vec<Counter>, amounts: Amounts, lost: &Lost) -> Result<Outcome, String> {
        let of = |counter: &Counter, key: String, turn_of| {
            let amount = counter.part(amounts);
            Reserved { key, window: counter.window, amount, turn_of, ends_in: None }
        };
        let mut reserved: Vec<_> = counters.iter().map(|counter| of(counter, counter.key.clone(), None)).collect();
        let turns = counters.iter().enumerate();
        reserved.extend(turns.filter_map(|(at, counter)| Some(of(counter, lost.key(counter)?, Some(at)))));
        let additions = reserved.iter().enumerate().map(|(at, one)| {
            let most = counters.get(at).map(|counter| counter.most);
            Addition { most, ..one.addition(one.amount) }
        });
        let (additions, at) = (additions.collect(), clock::now());
        let added = state::add(additions).await?;
        if let Some(refused) = added.refused {
            let pairs = counters.into_iter().zip(&added.sums);
            let (counter, sum) = pairs
                .into_iter()
                .nth(usize::try_from(refused).unwrap_or(usize::MAX))
                .ok_or_else(|| "the store refused an addition that there was not".to_owned())?;
            return Ok(Outcome::Refused { counter, count: sum.value, ends_in: time(sum.ends_in) });
        }
        for (one, sum) in reserved.iter_mut().zip(&added.sums) {
            one.ends_in = time(sum.ends_in);
        }
        let counts = added.sums.iter().take(counters.len()).map(|sum| sum.value).collect();
        Ok(Outcome::Made(Self { counters, reserved, at }, counts))
    }

    /// Reserves nothing of these counters: the store failed.
    pub(crate) fn none(counters: Vec<Counter>) -> Self {
        let nothing = |counter: &Counter| Reserved {
            key: counter.key.clone(),
            window: counter.window,
            amount: 0,
            turn_of: None,
            ends_in: None,
        };
        let reserved = counters.iter().map(nothing).collect();
        Self { counters, reserved, at: clock::now() }
    }

    /// Returns the counters.
    pub(crate) fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.counters.iter()
    }

    /// Whether another call like this one would be refused, unless this one uses less than it has reserved.
    pub(crate) fn is_tight(&self, counts: &[i64]) -> bool {
        let pairs = self.counters.iter().zip(&self.reserved).zip(counts);
        pairs.into_iter().any(|((counter, one), count)| count.saturating_add(one.amount) > counter.most)
    }

    /// Counts what was used in place of what was reserved. Returns the counters after that.
    pub(crate) async fn settle(self, used: Amounts) -> Result<Vec<(Counter, i64)>, String> {
        let passed = clock::now().saturating_sub(self.at);
        let additions: Vec<_> = self.reserved.iter().map(|one| one.addition(self.delta(one, used, passed))).collect();
        let added = state::add(additions.clone()).await?;
        self.take_back(&additions, &added, passed).await?;
        let counts = added.sums.iter().map(|sum| sum.value);
        Ok(self.counters.into_iter().zip(counts).collect())
    }

    /// What to add so that the counter has what was used. If the window of the reservation is over, nothing is given back.
    fn delta(&self, one: &Reserved, used: Amounts, passed: Duration) -> i64 {
        let used = match one.turn_of {
            Some(_) => 0,
            None => self.counters.iter().find(|counter| counter.key == one.key).map_or(0, |counter| counter.part(used)),
        };
        let delta = used.saturating_sub(one.amount);
        let is_over = one.window != Window::Total && one.ends_in.is_none_or(|ends_in| passed >= ends_in);
        if is_over { delta.max(0) } else { delta }
    }

    /// Takes back what was given too much: to a window that has only just begun, since what it would get back was reserved of the one
    /// before; and for a call that took so long that what it had reserved counted as lost.
    async fn take_back(&self, additions: &[Addition], added: &Added, passed: Duration) -> Result<(), String> {
        let is_next = |one: &Reserved, ends_in: Option<u64>| match (one.ends_in, time(ends_in)) {
            (Some(then), Some(now)) => now > then.saturating_sub(passed).saturating_add(SLACK),
            _ => false,
        };
        let mut back = Vec::new();
        for ((one, addition), sum) in self.reserved.iter().zip(additions).zip(&added.sums) {
            if addition.delta < 0 && is_next(one, sum.ends_in) {
                back.push(one.addition(addition.delta.saturating_neg()));
            } else if let Some(counter) = one.turn_of.and_then(|at| self.reserved.get(at)).filter(|_| sum.value < 0) {
                let lost = sum.value.max(one.amount.saturating_neg()).saturating_neg();
                back.extend([one.addition(lost), counter.addition(lost)]);
            }
        }
        if !back.is_empty() {
            state::add(back).await?;
        }
        Ok(())
    }
}

impl Reserved {
    fn addition(&self, delta: i64) -> Addition {
        Addition { key: self.key.clone(), delta, most: None, life: self.window.life() }
    }
}

/// The time that the store gave in nanoseconds.
fn time(ends_in: Option<u64>) -> Option<Duration> {
    ends_in.map(Duration::from_nanos)
}
