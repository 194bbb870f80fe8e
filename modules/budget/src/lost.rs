//! Finds what was reserved by calls that can no longer settle it, since their process has died.
//!
//! Time is divided into turns of `reservation_seconds`. What a call reserves is also added to a counter of the turn in which it begins, of
//! which there are eight for each limit, used in a circle. What is left of turns before the last one is lost.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use arcllm_module::{
    clock, log,
    state::{self, Addition, Life},
};

use crate::policy::Counter;

/// How many turns have a counter. If one comes again before it was looked at, what is left counts as of the new turn.
const TURNS: u64 = 8;

/// The turns, counted from the one that is now, whose calls have ended: all but this one, the one before, and the one that comes, which
/// other clocks may have.
const ENDED: std::ops::Range<u64> = 2..TURNS - 1;

/// The most keys that an instance remembers.
const MOST: usize = 1000;

/// What is lost, and when this instance looked for it.
pub(crate) struct Lost {
    turn: Duration,
    /// The last turn in which each counter was looked at.
    looked: RefCell<BTreeMap<String, u64>>,
}

impl Lost {
    /// Counts what is reserved for longer than one turn after its own as lost.
    pub(crate) fn new(turn: Duration) -> Self {
        Self { turn: turn.max(Duration::from_millis(1)), looked: RefCell::default() }
    }

    /// The key of what the calls that begin now have reserved of this counter. `None` if its window ends soon enough by itself.
    pub(crate) fn key(&self, counter: &Counter) -> Option<String> {
        counter.window.is_long().then(|| self.key_of(self.now(), counter))
    }

    /// Gives back what is lost of this counter. Returns whether there was something.
    pub(crate) async fn give_back(&self, counter: &Counter) -> Result<bool, String> {
        let now = self.now();
        if !counter.window.is_long() || !self.is_first_look(counter, now) {
            return Ok(false);
        }
        let keys: Vec<_> = ENDED.map(|ago| self.key_of(now.wrapping_add(TURNS - ago), counter)).collect();
        let left = state::get_many(keys.clone()).await?.into_iter().map(|value| value.as_deref().map_or(0, number));
        let lost: Vec<_> = keys.into_iter().zip(left).filter(|(_, left)| *left > 0).collect();
        if lost.is_empty() {
            return Ok(false);
        }
        // Only one of those who see it gives it back.
        let turns = clock::nanoseconds(self.turn.saturating_mul(2));
        let first =
            Addition { key: format!("back{now}/{}", counter.key), delta: 1, most: Some(1), life: Life::Time(turns) };
        let back = |key: &str, left: i64| Addition {
            key: key.to_owned(),
            delta: left.saturating_neg(),
            most: None,
            life: counter.window.life(),
        };
        let sum = lost.iter().fold(0_i64, |sum, (_, left)| sum.saturating_add(*left));
        let turns = lost.iter().map(|(key, left)| back(key, *left));
        let added = state::add([first, back(&counter.key, sum)].into_iter().chain(turns).collect()).await?;
        if added.refused.is_none() {
            let what = counter.words(sum);
            log::log(
                log::Level::Warn,
                "budget",
                &format!("{what} come back that calls had reserved whose process died"),
            );
        }
        Ok(true)
    }

    fn now(&self) -> u64 {
        u64::try_from(clock::unix_time().as_nanos() / self.turn.as_nanos()).unwrap_or_default()
    }

    fn key_of(&self, turn: u64, counter: &Counter) -> String {
        format!("reserved{}/{}", turn % TURNS, counter.key)
    }

    fn is_first_look(&self, counter: &Counter, now: u64) -> bool {
        let mut looked = self.looked.borrow_mut();
        if looked.len() >= MOST {
            looked.clear();
        }
        looked.insert(counter.key.clone(), now) != Some(now)
    }
}

/// The number that a counter has; zero if it is something else.
fn number(value: &[u8]) -> i64 {
    str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
