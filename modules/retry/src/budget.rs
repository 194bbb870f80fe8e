//! How many retries there may be in all, so that an outage does not multiply what providers are asked.
//!
//! As tower's `TpsBudget`: calls earn retries, a share of one each, that are lost after ten seconds; and there are a few a
//! second besides, for programs that call seldom. What calls earn adds up over all instances by itself, so each spends what
//! its own calls have earned and needs nobody for that. The few a second are for all instances together: [`Pace`] keeps
//! them where all see them, and is asked only where nothing earned is left.

use std::{cell::RefCell, collections::VecDeque};

use arcllm_module::{Pace, Turn, clock, log};

use crate::config::Settings;

const SECOND: u64 = 1_000_000_000;

/// For how long a call has earned something: ten seconds.
const KEPT: u64 = 10;

/// One retry, in what calls earn.
const RETRY: u64 = 1_000_000;

/// The key of the retries that need not be earned.
const KEY: &str = "unearned";

/// How often, at most, an instance says that there is nothing left: every ten seconds.
const SILENCE: u64 = 10 * SECOND;

/// The retries that an instance may make.
pub struct Budget {
    /// What each call earns, in millionths of a retry.
    per_call: u64,
    earned: RefCell<Earned>,
    /// Those that need not be earned; absent if there are none.
    unearned: Option<Pace>,
    used_up: RefCell<Said>,
    unlimited: RefCell<Said>,
}

impl Budget {
    /// The budget of these settings.
    pub fn new(settings: &Settings) -> Self {
        let per_second = settings.budget_min_per_second;
        // A cast from `f64` saturates; a second's worth may be used at once.
        let pace = || Pace::new((SECOND as f64 / per_second) as u64, (per_second as u32).max(1), 0);
        Self {
            per_call: (settings.budget_ratio * RETRY as f64).round() as u64,
            earned: RefCell::default(),
            unearned: (per_second > 0.0).then(pace),
            used_up: RefCell::default(),
            unlimited: RefCell::default(),
        }
    }

    /// A call has come to its first end. Asks the store for nothing.
    pub fn earn(&self) {
        if self.per_call > 0 {
            self.earned.borrow_mut().add(clock::now() / SECOND, self.per_call);
        }
    }

    /// Takes one retry out of it, if there is one. A store that fails is no reason to retry nothing.
    pub async fn take(&self) -> bool {
        if self.earned.borrow_mut().take(clock::now() / SECOND) {
            return true;
        }
        let taken = match &self.unearned {
            Some(pace) => pace.take(KEY, None).await,
            None => Ok(Turn::TooLate(0)),
        };
        match taken {
            Ok(Turn::After(_)) => true,
            Ok(Turn::TooLate(_)) => {
                say(&self.used_up, |failures| {
                    let settings = "budget_ratio, budget_min_per_second";
                    format!("the retry budget is used up: {failures} failures were not tried again ({settings})")
                });
                false
            }
            Err(problem) => {
                say(&self.unlimited, |failures| {
                    format!("{failures} failures were tried again outside of the retry budget: {problem}")
                });
                true
            }
        }
    }
}

/// Says what has become of a failure, and of those of which it was not said.
fn say(said: &RefCell<Said>, message: impl FnOnce(u64) -> String) {
    if let Some(failures) = said.borrow_mut().unsaid(clock::now()) {
        log::log(log::Level::Warn, "retry", &message(failures));
    }
}

/// What calls have earned and not been spent, in millionths of a retry.
#[derive(Debug, Default)]
pub struct Earned {
    /// By the second in which it was earned, the oldest first.
    seconds: VecDeque<(u64, u64)>,
}

impl Earned {
    /// Adds what is earned in this second.
    pub fn add(&mut self, second: u64, amount: u64) {
        self.forget(second);
        match self.seconds.back_mut() {
            // By the clock, it is none that has gone back.
            Some((last, earned)) if *last >= second => *earned = earned.saturating_add(amount),
            _ => self.seconds.push_back((second, amount)),
        }
    }

    /// Spends one retry, of what was earned first, if there is as much.
    pub fn take(&mut self, second: u64) -> bool {
        self.forget(second);
        let all = self.seconds.iter().fold(0, |all: u64, (_, earned)| all.saturating_add(*earned));
        let mut left = RETRY;
        while all >= RETRY
            && left > 0
            && let Some((_, earned)) = self.seconds.front_mut()
        {
            let spent = left.min(*earned);
            (left, *earned) = (left - spent, *earned - spent);
            if *earned == 0 {
                self.seconds.pop_front();
            }
        }
        all >= RETRY
    }

    fn forget(&mut self, second: u64) {
        while self.seconds.front().is_some_and(|(earned_in, _)| earned_in.saturating_add(KEPT) <= second) {
            self.seconds.pop_front();
        }
    }
}

/// When something was said last.
#[derive(Debug, Default)]
struct Said {
    at: Option<u64>,
    unsaid: u64,
}

impl Said {
    /// Of how many failures it is to be said now, if it is time.
    fn unsaid(&mut self, now: u64) -> Option<u64> {
        self.unsaid += 1;
        if self.at.is_some_and(|at| now < at.saturating_add(SILENCE)) {
            return None;
        }
        self.at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests;
