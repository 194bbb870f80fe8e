//! Remembers which limits the log has warned of in their windows.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use arcllm_module::{
    clock, log,
    state::{self, Addition},
};

use crate::policy::Counter;

/// The most keys that an instance remembers.
const MOST: usize = 1000;

/// Warns once in each window of a limit.
#[derive(Default)]
pub(crate) struct Warned {
    /// The keys that the store was asked about, each with when its window ends, by the monotonic clock.
    known: RefCell<BTreeMap<String, Duration>>,
}

impl Warned {
    /// Warns that a limit is near, unless the log of some process did so in this window.
    pub(crate) async fn warn(&self, counter: &Counter, count: i64) {
        if !self.is_new(&counter.key) {
            return;
        }
        let key = format!("warned/{}", counter.key);
        let first = Addition { key, delta: 1, most: Some(1), life: counter.window.life() };
        // The limit holds also if nobody is warned.
        let Ok(added) = state::add(vec![first]).await else { return };
        let ends_in = added.sums.first().and_then(|sum| sum.ends_in).map_or(Duration::MAX, Duration::from_nanos);
        self.known.borrow_mut().insert(counter.key.clone(), clock::now().saturating_add(ends_in));
        if added.refused.is_none() {
            log::log(log::Level::Warn, "budget", &format!("{} is used", counter.share(count)));
        }
    }

    fn is_new(&self, key: &str) -> bool {
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST {
            known.clear();
        }
        known.get(key).is_none_or(|ends| *ends <= clock::now())
    }
}
