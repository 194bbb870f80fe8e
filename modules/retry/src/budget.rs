//! Limits the retries of the whole process, so that an outage does not multiply the requests to a provider.
//!
//! It works like tower's `TpsBudget`. Each call earns a share of a retry, which is lost after ten seconds. A few more retries
//! a second are free, for programs that make few calls. Each instance spends what its own calls have earned, without asking
//! anybody: the sum over all instances is right by itself. The free retries are shared by all instances, through a
//! [`RateLimiter`] in the state. It is asked only when nothing earned is left.

use std::{cell::RefCell, collections::VecDeque, time::Duration};

use arcllm_module::{RateLimiter, Turn, clock, log};

use crate::settings::Settings;

/// For how many seconds an earned share is kept.
const KEPT: u64 = 10;

/// One retry, in the unit in which calls earn.
const RETRY: u64 = 1_000_000;

/// The key of the free retries in the state.
const KEY: &str = "unearned";

/// The shortest time between two log messages of one kind, by one instance.
const SILENCE: Duration = Duration::from_secs(10);

/// The retries that an instance may make.
pub struct Budget {
    /// How much each call earns, in millionths of a retry.
    per_call: u64,
    earned: RefCell<Earned>,
    /// The free retries; absent if there are none.
    free: Option<RateLimiter>,
    used_up: RefCell<Notice>,
    unlimited: RefCell<Notice>,
}

impl Budget {
    /// Makes the budget of these settings.
    pub fn new(settings: &Settings) -> Self {
        let per_second = settings.budget_min_per_second.get();
        // The free retries of one second may be used at once.
        let limiter = || RateLimiter::new(clock::seconds(1.0 / per_second), (per_second as u32).max(1), Duration::ZERO);
        Self {
            per_call: (settings.budget_ratio.get() * RETRY as f64).round() as u64,
            earned: RefCell::default(),
            free: (per_second > 0.0).then(limiter),
            used_up: RefCell::default(),
            unlimited: RefCell::default(),
        }
    }

    /// Adds what a call earns. Called once a call, when its first try has ended. Does not use the state.
    pub fn earn(&self) {
        if self.per_call > 0 {
            self.earned.borrow_mut().add(clock::now().as_secs(), self.per_call);
        }
    }

    /// Takes one retry out of the budget, and returns whether there was one. If the state fails, there is one.
    pub async fn take(&self) -> bool {
        if self.earned.borrow_mut().take(clock::now().as_secs()) {
            return true;
        }
        let taken = match &self.free {
            Some(limiter) => limiter.take(KEY, None).await,
            None => Ok(Turn::TooLate(Duration::ZERO)),
        };
        match taken {
            Ok(Turn::After(_)) => true,
            Ok(Turn::TooLate(_)) => {
                notify(&self.used_up, log::Level::Warn, |failures| {
                    let settings = "budget_ratio, budget_min_per_second";
                    format!("the retry budget is used up: {failures} failures were not tried again ({settings})")
                });
                false
            }
            Err(problem) => {
                // The host warns of a store that fails.
                notify(&self.unlimited, log::Level::Debug, |failures| {
                    format!("{failures} failures were tried again without a budget: {problem}")
                });
                true
            }
        }
    }
}

/// Logs a message about a failure and those since the last message, if it is time for one.
fn notify(notice: &RefCell<Notice>, level: log::Level, message: impl FnOnce(u64) -> String) {
    if let Some(failures) = notice.borrow_mut().add(clock::now()) {
        log::log(level, "retry", &message(failures));
    }
}

/// What calls have earned and nobody has spent, in millionths of a retry.
#[derive(Debug, Default)]
pub struct Earned {
    /// Each second and what was earned in it, the oldest first.
    seconds: VecDeque<(u64, u64)>,
}

impl Earned {
    /// Adds what is earned in this second.
    pub fn add(&mut self, second: u64, amount: u64) {
        self.forget(second);
        match self.seconds.back_mut() {
            Some((last, earned)) if *last >= second => *earned = earned.saturating_add(amount),
            _ => self.seconds.push_back((second, amount)),
        }
    }

    /// Spends one retry, from what was earned first. Returns whether there was enough.
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

/// A log message that comes at most once in [`SILENCE`].
#[derive(Debug, Default)]
struct Notice {
    /// When the last one was logged.
    last: Option<Duration>,
    /// How many failures there were since.
    failures: u64,
}

impl Notice {
    /// Adds a failure. If it is time for a message, returns how many failures it is about.
    fn add(&mut self, now: Duration) -> Option<u64> {
        self.failures += 1;
        if self.last.is_some_and(|last| now < last.saturating_add(SILENCE)) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.failures))
    }
}

#[cfg(test)]
mod tests;
