//! What modules ask of their state, and what it answers.

use std::time::Duration;

/// For how long something is kept. Windows are those of UTC, by the clock of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Life {
    /// Until it is deleted.
    Forever,
    /// For this time, counted from when it began; at least a millisecond.
    Time(Duration),
    /// Until the minute ends.
    Minute,
    /// Until the hour ends.
    Hour,
    /// Until the day ends.
    Day,
    /// Until the month ends.
    Month,
}

/// Something to add to a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterAddition {
    /// The key of the counter.
    pub key: String,
    /// What to add.
    pub delta: i64,
    /// The largest sum; `None` is any. What makes a sum smaller is always added.
    pub most: Option<i64>,
    /// How long the counter is kept if this begins it. A counter that has begun keeps its end.
    pub life: Life,
}

/// A counter as an addition leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// What it counts to.
    pub value: i64,
    /// The time until it ends; `None` if it does not.
    pub ends_in: Option<Duration>,
}

/// What became of additions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The index of the first addition that would pass its `most`. Then nothing was added. `None` if all were.
    pub refused: Option<usize>,
    /// The counters, in the order of the additions.
    pub sums: Vec<Sum>,
}

/// A bucket of tokens, which fills all the time, and the wish to take some. It is full at first.
///
/// The generic cell rate algorithm (ITU-T I.371, annex A) keeps it as one time: when it will be full.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Its key.
    pub key: String,
    /// How many tokens come in a second; above zero.
    pub per_second: f64,
    /// How many it holds; above zero.
    pub burst: f64,
    /// How many to take. Less than zero gives tokens back. A cost above `burst` is taken from a full bucket, which then owes the
    /// rest.
    pub cost: f64,
}

/// What became of the wish to take tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The index of the bucket that would have them last, if that is later than the wait that was allowed. Then nothing was
    /// taken. `None` if all were taken.
    pub refused: Option<usize>,
    /// The time until all buckets have the tokens.
    pub wait: Duration,
}

/// What became of the wish for a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leased {
    /// The number of the lease.
    Granted(u64),
    /// All are held. The first one ends after this time.
    Held(Duration),
}
