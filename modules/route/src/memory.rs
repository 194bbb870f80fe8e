//! What the state keeps about targets, for everybody who shares it.
//!
//! Outages and times have their life in the store, so what is old is forgotten there. Each function is one round trip.

use arcllm_module::{
    clock, log,
    state::{self, Addition, Life},
};

use crate::kept::{Kept, Times};

/// The length of a window of times, in nanoseconds. Times count in the window under way and in the next one.
const WINDOW: u64 = 300_000_000_000;
/// The longest name of a target in a key, in bytes. The store takes keys of 512 bytes.
const LONGEST_NAME: usize = 400;

/// Whole answers take longer to begin than streamed ones, so they count apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The caller reads the answer as it comes.
    Streamed,
    /// The caller waits for the whole answer.
    Whole,
}

/// What is kept about targets.
#[derive(Debug)]
pub struct Memory {
    /// For how long a target is avoided, in nanoseconds.
    avoid: u64,
}

impl Memory {
    /// Makes one that avoids targets for so many nanoseconds.
    pub fn new(avoid: u64) -> Self {
        Self { avoid }
    }

    /// Reads what is kept about these targets; their times only for a way. If the state fails, all count as healthy.
    pub async fn read(&self, targets: &[&str], way: Option<Way>) -> Kept {
        let number = number();
        let keys_of = |target: &str| {
            let times = way.into_iter().flat_map(|way| {
                let of = |number: u64| times(number, way, target);
                of(number).into_iter().chain(of(number.saturating_sub(1)))
            });
            [avoided(target)].into_iter().chain(times).collect::<Vec<_>>()
        };
        let values = match state::get_many(targets.iter().flat_map(|target| keys_of(target)).collect()).await {
            Ok(values) => values,
            Err(problem) => {
                self.failed_to_keep(&problem);
                return Kept::default();
            }
        };
        let each = if way.is_some() { 5 } else { 1 };
        let mut kept = Kept::default();
        for (target, values) in targets.iter().zip(values.chunks(each)) {
            let number = |at: usize| values.get(at).and_then(Option::as_deref).map(number_of).unwrap_or_default();
            if values.first().is_some_and(Option::is_some) {
                kept.avoid(target);
            }
            let times = |at: usize| Times { sum: number(at), count: number(at + 1) };
            kept.measured(target, times(1), times(3));
        }
        kept
    }

    /// Notes an outage.
    pub async fn failed(&self, target: &str) {
        let noted = state::set_for(avoided(target), b"1".to_vec(), Life::Time(self.avoid));
        self.noted(noted.await);
    }

    /// Ends that a target is avoided.
    pub async fn is_back(&self, target: &str) {
        self.noted(state::delete(avoided(target)).await);
    }

    /// Notes after how many nanoseconds an answer began.
    pub async fn began(&self, target: &str, way: Way, took: u64) {
        let life = Life::Time(2 * WINDOW);
        let deltas = [i64::try_from((took / 1000).max(1)).unwrap_or(i64::MAX), 1];
        let keys = times(number(), way, target).into_iter().zip(deltas);
        let additions = keys.map(|(key, delta)| Addition { key, delta, most: None, life }).collect();
        self.noted(state::add(additions).await.map(drop));
    }

    fn noted(&self, outcome: Result<(), String>) {
        if let Err(problem) = outcome {
            self.failed_to_keep(&problem);
        }
    }

    /// Notes that the state fails. The host warns of it.
    fn failed_to_keep(&self, problem: &str) {
        let message =
            format!("outages and times of targets are not known or not noted, since the state failed: {problem}");
        log::log(log::Level::Debug, "route", &message);
    }
}

fn avoided(target: &str) -> String {
    format!("avoid {}", short(target))
}

/// The keys of the sum and of the count of times in this window.
fn times(number: u64, way: Way, target: &str) -> [String; 2] {
    let way = match way {
        Way::Streamed => "streamed",
        Way::Whole => "whole",
    };
    ["time", "count"].map(|what| format!("{what} {number} {way} {}", short(target)))
}

fn short(target: &str) -> &str {
    target.get(..target.floor_char_boundary(LONGEST_NAME)).unwrap_or(target)
}

fn number_of(kept: &[u8]) -> u64 {
    std::str::from_utf8(kept).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The number of the window under way.
fn number() -> u64 {
    clock::nanoseconds(clock::unix_time()) / WINDOW
}
