//! Asks a second target when the first takes long to begin. The answer that begins first wins, and the other is cancelled.
//!
//! [`Policy`] decides whom to ask, [`Share`] how often, [`Histogram`] after which delay. This file connects them to the host.

mod histogram;
mod policy;
mod settings;
mod share;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::pending,
    pin::pin,
    time::Duration,
};

use arcllm_module::{
    Behavior, Cost, Description, Error, Module, Raced, Request, Response, Target, clock, endings, inner, log, race,
    state::{self, Update},
    types::Failure,
};

pub use histogram::Histogram;
pub use policy::Policy;
pub use settings::{After, Settings};
pub use share::Share;

/// For how long an instance uses a delay that it has read.
const FRESH: Duration = Duration::from_secs(5);
/// The most models of which an instance remembers the delay.
const REMEMBERED: usize = 1000;

/// The module.
pub struct Hedge {
    settings: Settings,
    policy: Policy,
    share: RefCell<Share>,
    /// The delay of each model, and when it was read.
    delays: RefCell<HashMap<String, (Duration, Duration)>>,
}

impl Module for Hedge {
    type Config = Settings;

    fn describe() -> Description {
        const BEHAVIOR: &[Behavior] =
            &[Behavior::AsksOthers, Behavior::AsksAgain, Behavior::ChangesRequests, Behavior::HoldsAnswersBack];
        Description::new("hedge", env!("CARGO_PKG_VERSION"), "hedge").behavior(BEHAVIOR)
    }

    fn new(settings: Settings) -> Self {
        let share = Share::new(settings.max_share.get(), settings.window_seconds.nanoseconds());
        Self { policy: Policy::new(&settings), share: RefCell::new(share), settings, delays: RefCell::default() }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        let began = clock::now();
        self.share.borrow_mut().earn(clock::nanoseconds(began));
        let asked = Cell::new(false);
        let mut first = pin!(self.begun(inner::invoke(request.clone())));
        let mut second = pin!(self.second(&request, began, &asked));
        // The one that is dropped is cancelled. If one fails while the other runs, the other may still answer.
        let (answer, by) = match race(first.as_mut(), second.as_mut()).await {
            Raced::One(Err(error)) if !asked.get() => return Err(error),
            Raced::One(Err(error)) => (second.await.map_err(|_| error)?, "the second"),
            Raced::Other(Err(_)) => (first.await?, "the first"),
            Raced::One(Ok(answer)) => (answer, "the first"),
            Raced::Other(Ok(answer)) => (answer, "the second"),
        };
        let took = clock::now().saturating_sub(began);
        if asked.get() {
            request.note(&format!("a second target was asked; {by} began first, after {:.3} s", took.as_secs_f64()));
        }
        if self.settings.after == After::P95 {
            // If the second won, the first would have taken longer still.
            self.note_time(&request, &answer, took);
        }
        Ok(answer)
    }

    fn worst_case(&self, inner: &Target, others: &[Target]) -> Cost {
        self.policy.worst_case(inner, others)
    }
}

impl Hedge {
    /// Waits until an answer begins.
    async fn begun(&self, asking: impl Future<Output = Result<Response, Error>>) -> Result<Response, Error> {
        let answer = asking.await?;
        match answer.is_whole() || self.settings.reasoning_begins {
            true => Ok(answer),
            false => endings::begun(answer).await,
        }
    }

    /// Asks a second target after the delay. Does not end if none is to be asked.
    async fn second(&self, request: &Request, began: Duration, asked: &Cell<bool>) -> Result<Response, Error> {
        let Some(delay) = self.delay(request).await else { return pending().await };
        clock::wait_until(began.saturating_add(delay)).await;
        let slow = (request.provider(), request.model());
        let known = |name: &str| request.facts(name).map(|facts| (facts.provider, facts.model));
        let mut others = self.policy.others(&slow, known).peekable();
        let has_second = self.policy.asks_inner() || others.peek().is_some();
        if !has_second || !self.share.borrow_mut().take(clock::nanoseconds(clock::now())) {
            return pending().await;
        }
        asked.set(true);
        if self.policy.asks_inner() {
            return self.begun(inner::invoke(request.clone())).await;
        }
        let mut outcome = Err(Error::Config(Failure::new(request.provider(), "no target is left")));
        for target in others {
            outcome = self.begun(target.ask(request)).await;
            // One that cannot be loaded was not asked.
            if !matches!(outcome, Err(Error::Config(_))) {
                break;
            }
        }
        outcome
    }

    /// Returns the delay; none if the state fails.
    async fn delay(&self, request: &Request) -> Option<Duration> {
        let start = self.settings.after_seconds.duration();
        if self.settings.after == After::Fixed {
            return Some(start);
        }
        let key = key(request);
        let remembered = self.delays.borrow().get(&key).copied();
        if let Some((delay, read)) = remembered
            && clock::now() < read.saturating_add(FRESH)
        {
            return Some(delay);
        }
        let kept = match state::get(key.clone()).await {
            Ok(kept) => Histogram::read(kept.as_deref()),
            Err(problem) => {
                let message = format!("no second target is asked, since the p95 is unknown: {problem}");
                log::log(log::Level::Debug, "hedge", &message);
                return None;
            }
        };
        let (least, window) = (self.settings.min_samples.get(), self.settings.window_seconds.nanoseconds());
        let delay = kept.p95(least, unix_now(), window).map_or(start, Duration::from_nanos);
        let mut delays = self.delays.borrow_mut();
        if delays.len() >= REMEMBERED {
            delays.clear();
        }
        delays.insert(key, (delay, clock::now()));
        Some(delay)
    }

    /// Counts a time, once the answer has ended: no caller waits for it.
    fn note_time(&self, request: &Request, answer: &Response, took: Duration) {
        let (key, window) = (key(request), self.settings.window_seconds.nanoseconds());
        endings::after(answer, async move |_| {
            let counted = state::update(&key, |kept| {
                let mut histogram = Histogram::read(kept);
                histogram.add(clock::nanoseconds(took), unix_now(), window);
                (Update::Set(histogram.write()), ())
            });
            if let Err(problem) = counted.await {
                log::log(log::Level::Debug, "hedge", &format!("a time was not counted: {problem}"));
            }
        });
    }
}

/// Whole answers take longer to begin than streamed ones.
fn key(request: &Request) -> String {
    let way = if request.streamed() { "streamed" } else { "whole" };
    // The store takes keys of 512 bytes.
    let mut key = format!("{way} {}/{}", request.provider(), request.model());
    key.truncate(key.floor_char_boundary(500));
    key
}

/// The time since 1970 in nanoseconds, as the store keeps it.
fn unix_now() -> u64 {
    clock::nanoseconds(clock::unix_time())
}

arcllm_module::export!(Hedge);

#[cfg(test)]
mod tests;
