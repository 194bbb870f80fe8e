//! What modules ask of their state.

use std::time::Duration;

use crate::{
    chat::seconds::nanoseconds,
    runtime::guest::bindings::arcllm::llm::state_types as wit,
    state::operation::{Added, Bucket, CounterAddition, Leased, Life, Taken},
};

pub(crate) fn life_in(life: wit::Life) -> Life {
    match life {
        wit::Life::Forever => Life::Forever,
        wit::Life::Time(time) => Life::Time(Duration::from_nanos(time)),
        wit::Life::Minute => Life::Minute,
        wit::Life::Hour => Life::Hour,
        wit::Life::Day => Life::Day,
        wit::Life::Month => Life::Month,
    }
}

pub(crate) fn additions_in(additions: Vec<wit::Addition>) -> Vec<CounterAddition> {
    let addition = |wit::Addition { key, delta, most, life }| CounterAddition { key, delta, most, life: life_in(life) };
    additions.into_iter().map(addition).collect()
}

pub(crate) fn added_out(added: Added) -> wit::Added {
    let sums = added.sums.into_iter();
    let sums = sums.map(|sum| wit::Sum { value: sum.value, ends_in: sum.ends_in.map(nanoseconds) }).collect();
    wit::Added { refused: added.refused.map(index), sums }
}

pub(crate) fn buckets_in(buckets: Vec<wit::Bucket>) -> Vec<Bucket> {
    let bucket = |wit::Bucket { key, per_second, burst, cost }| Bucket { key, per_second, burst, cost };
    buckets.into_iter().map(bucket).collect()
}

pub(crate) fn taken_out(taken: Taken) -> wit::Taken {
    wit::Taken { refused: taken.refused.map(index), wait: nanoseconds(taken.wait) }
}

pub(crate) fn leased_out(leased: Leased) -> wit::Leased {
    match leased {
        Leased::Granted(lease) => wit::Leased::Granted(lease),
        Leased::Held(time) => wit::Leased::Held(nanoseconds(time)),
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
