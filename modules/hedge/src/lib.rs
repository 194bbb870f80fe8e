//! Asks a second target when the first takes long to begin. The answer that begins first wins, and the other is cancelled.
//!
//! [`Policy`] decides whom to ask, [`Share`] how often, [`Times`] after which delay. This file connects them to the host.

mod histogram;
mod policy;
mod settings;
mod share;
mod times;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::pending,
    pin::pin,
    time::Duration,
};

use arcllm_module::{
    Behavior, Cost, Description, Error, Module, Raced, Request, Response, Target, clock, endings, inner, log, race,
    types::Failure,
};

pub use policy::Policy;
pub use settings::{After, Settings};
pub use share::{Left, Share};
pub use times::Times;

/// For how long an instance uses a delay that it has read.
const FRESH: Duration = Duration::from_secs(5);
/// The most models of which an instance remembers the delay.
const REMEMBERED: usize = 1000;

/// The module.
pub struct Hedge {
    settings: Settings,
    policy: Policy,
    share: Share,
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
        Self { policy: Policy::new(&settings), share, settings, delays: RefCell::default() }
    }

    async fn invoke(&self, request: Request) -> Result<Response, Error> {
        if self.share.is_nothing() {
            return inner::invoke(request).await;
        }
        let began = clock::now();
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
        // The first is under way meanwhile: no call waits for the state.
        let Some((left, delay)) = self.known(self.prepare(request).await) else { return pending().await };
        clock::wait_until(began.saturating_add(delay)).await;
        let slow = (request.provider(), request.model());
        let known = |name: &str| request.facts(name).map(|facts| (facts.provider, facts.model));
        let mut others = self.policy.others(&slow, known).peekable();
        let has_second = self.policy.asks_inner() || others.peek().is_some();
        if !has_second || self.known(self.share.spend(left).await) != Some(true) {
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

    /// Counts the call, and returns what is left of the share and the delay.
    async fn prepare(&self, request: &Request) -> Result<(Left, Duration), String> {
        let left = self.share.earn().await?;
        Ok((left, self.delay(request).await?))
    }

    /// Returns how long the first has to begin.
    async fn delay(&self, request: &Request) -> Result<Duration, String> {
        let start = self.settings.after_seconds.duration();
        if self.settings.after == After::Fixed {
            return Ok(start);
        }
        let times = self.times(request);
        let remembered = self.delays.borrow().get(times.model()).copied();
        if let Some((delay, read)) = remembered
            && clock::now() < read.saturating_add(FRESH)
        {
            return Ok(delay);
        }
        // Until there are enough, the next call looks again.
        let Some(delay) = times.p95(self.settings.min_samples.get()).await? else { return Ok(start) };
        let delay = Duration::from_nanos(delay);
        let mut delays = self.delays.borrow_mut();
        if delays.len() >= REMEMBERED {
            delays.clear();
        }
        delays.insert(times.model().to_owned(), (delay, clock::now()));
        Ok(delay)
    }

    fn times(&self, request: &Request) -> Times {
        Times::of(request, self.settings.window_seconds.nanoseconds())
    }

    /// Counts a time, once the answer has ended: no caller waits for it.
    fn note_time(&self, request: &Request, answer: &Response, took: Duration) {
        let times = self.times(request);
        endings::after(answer, async move |_| {
            if let Err(problem) = times.count(clock::nanoseconds(took)).await {
                log::log(log::Level::Debug, "hedge", &format!("a time was not counted: {problem}"));
            }
        });
    }

    /// What the state has said. The host warns of a state that fails.
    fn known<T>(&self, answer: Result<T, String>) -> Option<T> {
        let note = |problem: &String| {
            let message = format!("no second target is asked, since the state failed: {problem}");
            log::log(log::Level::Debug, "hedge", &message);
        };
        answer.inspect_err(note).ok()
    }
}

arcllm_module::export!(Hedge);

#[cfg(test)]
mod tests;
