//! What all attempts of one invoke share: its clock, its deadline, its trail and its random numbers.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::task::AtomicWaker;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use tokio::time::Instant;

use crate::{
    chat::{
        error::{ErrorKind, Failure},
        plain::{self, WORD},
        trail::{Attempt, Outcome},
    },
    config::error::ConfigError,
    telemetry::{
        meters::{count_attempt, count_failure},
        trace::{Trace, TraceParent},
    },
};

/// The setting that bounds the attempts of an invoke.
const LIMIT: &str = "max_attempts";

/// One invoke. Times are tokio's, so that they are virtual where tokio's clock is paused.
pub(crate) struct Invoke {
    started: Instant,
    deadline: Option<Instant>,
    /// Whether the caller wants the answer as it comes.
    pub(crate) streamed: bool,
    /// How many attempts there may be.
    max_attempts: u32,
    /// Why the invoke is over, once a module has asked for one attempt more than there may be.
    exceeded: OnceLock<Box<ErrorKind>>,
    /// The caller, who is told of that.
    caller: AtomicWaker,
    /// The trace that providers are told of, if they are.
    trace: OnceLock<Trace>,
    record: Mutex<Record>,
}

struct Record {
    trail: Vec<TrailEntry>,
    waited: Duration,
    waited_by: Option<Arc<str>>,
    random: SmallRng,
    /// Why a module could not load a model: the last that it could not, and what it was not told.
    unavailable: Option<Box<(ConfigError, ConfigError)>>,
}

/// An attempt, written down when it begins: whatever becomes of it, and whoever asks when, it is in the trail.
struct TrailEntry {
    attempt: Attempt,
    /// Since when it is under way; absent once it has ended.
    since: Option<Instant>,
}

impl Invoke {
    /// An invoke that starts now. Its random numbers depend on `seed` and `number` alone.
    pub(crate) fn start(budget: Duration, max_attempts: u32, seed: u64, number: u64, streamed: bool) -> Arc<Self> {
        let started = Instant::now();
        // An odd factor keeps the numbers apart; seeding spreads them, which neighbouring states would not be.
        let random = SmallRng::seed_from_u64(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let record = Record { trail: Vec::new(), waited: Duration::ZERO, waited_by: None, random, unavailable: None };
        // A budget past the end of the clock is none.
        let deadline = started.checked_add(budget);
        let (exceeded, caller, trace) = Default::default();
        Arc::new(Self {
            started,
            deadline,
            streamed,
            max_attempts,
            exceeded,
            caller,
            trace,
            record: Mutex::new(record),
        })
    }

    /// Why the invoke is over, if a module has asked for more attempts than there may be.
    pub(crate) fn exceeded(&self) -> Option<ErrorKind> {
        self.exceeded.get().map(|error| (**error).clone())
    }

    /// Whether a module has asked for more attempts than there may be.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded.get().is_some()
    }

    /// Waits for that. Whoever polls last is woken when one does; it is the
    /// caller alone who does.
    pub(crate) fn poll_exceeded(&self, context: &mut Context<'_>) -> Poll<()> {
        // In this order, so that nothing happens unseen between the two.
        self.caller.register(context.waker());
        if self.is_exceeded() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ends the invoke: a module asks for one attempt more than there may be.
    fn exceed(&self, provider: &str, asked_by: Option<&Arc<str>>) -> ErrorKind {
        let error = self.exceeded.get_or_init(|| {
            // The caller alone asks once.
            let module = asked_by.cloned().unwrap_or_else(|| "unknown".into());
            count_failure(&module, Some(LIMIT));
            let most = self.max_attempts;
            let message = format!(
                "the module `{module}` asks for more than the {most} requests that one call may send (host.{LIMIT})"
            );
            let mut failure = Failure::new(provider, message);
            failure.extensions.insert("module".to_owned(), (*module).into());
            failure.extensions.insert("limit".to_owned(), LIMIT.into());
            Box::new(ErrorKind::Module(failure))
        });
        self.caller.wake();
        (**error).clone()
    }

    /// Has providers told that their requests belong to this trace.
    pub(crate) fn set_trace(&self, trace: Trace) {
        // It is set where the invoke begins, and only there.
        let _ = self.trace.set(trace);
    }

    /// When the invoke has to be over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How long until the deadline, zero if it has passed.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The next 64 random bits of this invoke.
    pub(crate) fn random(&self) -> u64 {
        self.record().random.next_u64()
    }

    /// Fills this with the next random bytes of this invoke.
    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        self.record().random.fill_bytes(bytes);
    }

    /// Remembers that a module slept on purpose; the next attempt takes note of it.
    pub(crate) fn waited(&self, by: &Arc<str>, slept: Duration) {
        let mut record = self.record();
        record.waited += slept;
        record.waited_by = Some(by.clone());
    }

    /// How many attempts have begun.
    pub(crate) fn attempt_count(&self) -> usize {
        self.record().trail.len()
    }

    /// The attempts from this one on, in the order in which they began. One that is under way ends here for whoever asks.
    pub(crate) fn attempts(&self, since: usize) -> Vec<Attempt> {
        let record = self.record();
        record.trail.get(since..).unwrap_or_default().iter().map(|entry| self.seen(entry)).collect()
    }

    /// The attempts, for whoever is the last to ask.
    pub(crate) fn trail(&self) -> Vec<Attempt> {
        let mut record = self.record();
        if record.trail.iter().any(|entry| entry.since.is_some()) {
            // They are still to be written down.
            return record.trail.iter().map(|entry| self.seen(entry)).collect();
        }
        std::mem::take(&mut record.trail).into_iter().map(|entry| entry.attempt).collect()
    }

    fn seen(&self, entry: &TrailEntry) -> Attempt {
        let Some(begun) = entry.since else { return entry.attempt.clone() };
        // Its answer may be coming.
        let committed = entry.attempt.outcome == Outcome::Ok;
        let outcome = if committed { Outcome::Ok } else { self.cut_short() };
        Attempt { took: begun.elapsed(), outcome, ..entry.attempt.clone() }
    }

    /// What a module is told of a model that does not load: its name for it, and nothing of paths, variables or other
    /// providers. The rest is for the log, and for the caller if the call ends with it.
    pub(crate) fn unavailable(&self, module: &str, provider: &str, error: ConfigError) -> ErrorKind {
        let provider = plain::line(provider, WORD).into_owned();
        tracing::info!(target: "arcllm::module", module, provider, "a model is not available: {error}");
        let told = ConfigError::new(format!("the model of `{provider}` is not available")).provider(provider);
        self.record().unavailable = Some(Box::new((told.clone(), error)));
        told.into()
    }

    /// The error as the caller sees it: with what modules were not told.
    pub(crate) fn explained(&self, error: ErrorKind) -> ErrorKind {
        match (error, self.record().unavailable.take().map(|unavailable| *unavailable)) {
            (ErrorKind::Config(error), Some((told, whole))) if *error == told => {
                ConfigError { provider: told.provider, ..whole }.into()
            }
            (error, _) => error,
        }
    }

    /// Why nobody waits for an answer any more.
    pub(crate) fn why_over(&self) -> ErrorKind {
        self.exceeded().unwrap_or_else(|| match self.remaining() {
            Some(Duration::ZERO) => ErrorKind::DeadlineExceeded,
            _ => ErrorKind::Cancelled,
        })
    }

    /// How an attempt ended that nobody waited for.
    fn cut_short(&self) -> Outcome {
        match self.remaining() {
            Some(Duration::ZERO) => Outcome::DeadlineExceeded,
            _ => Outcome::Cancelled,
        }
    }

    /// Starts an attempt, which ends with the returned value.
    ///
    /// # Errors
    ///
    /// Where the invoke has made all the attempts that it may make. That ends the invoke, and every later attempt fails too.
    pub(crate) fn start_attempt(
        self: &Arc<Self>,
        provider: &str,
        model: &str,
        asked_by: Option<&Arc<str>>,
        loaded_by: Option<&str>,
    ) -> Result<StartedAttempt, ErrorKind> {
        let mut record = self.record();
        if usize::try_from(self.max_attempts).is_ok_and(|most| record.trail.len() >= most) {
            return Err(self.exceed(provider, asked_by));
        }
        let attempt = Attempt {
            provider: provider.to_owned(),
            model: model.to_owned(),
            outcome: Outcome::Cancelled,
            status: None,
            waited: std::mem::take(&mut record.waited),
            took: Duration::ZERO,
            started_after: self.started.elapsed(),
            asked_by: asked_by.map(|by| by.to_string()),
            loaded_by: loaded_by.map(str::to_owned),
            waited_by: record.waited_by.take().map(|by| by.to_string()),
            retry_after: None,
            should_retry: None,
        };
        let index = record.trail.len();
        if index == 0 {
            // Most invokes have one attempt, and many may be under way.
            record.trail.reserve_exact(1);
        }
        record.trail.push(TrailEntry { attempt, since: Some(Instant::now()) });
        drop(record);
        let number = index + 1;
        tracing::debug!(target: "arcllm::attempt", provider, model, number, "attempt");
        Ok(StartedAttempt { invoke: self.clone(), index })
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        // Nothing panics while it holds the lock; if it did, the trail would still be whole.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt under way. Dropped before its end, it was cut short.
pub(crate) struct StartedAttempt {
    invoke: Arc<Invoke>,
    index: usize,
}

impl StartedAttempt {
    /// What the provider is told of it.
    pub(crate) fn trace_parent(&self) -> Option<TraceParent> {
        self.invoke.trace.get().map(|trace| trace.attempt(self.index))
    }

    /// Why nobody waits for its answer any more.
    pub(crate) fn why_over(&self) -> ErrorKind {
        self.invoke.why_over()
    }

    /// The answer is coming.
    pub(crate) fn commit(&self) {
        if let Some(entry) = self.invoke.record().trail.get_mut(self.index) {
            entry.attempt.outcome = Outcome::Ok;
        }
    }

    /// Writes down how the attempt ended.
    pub(crate) fn end(self, result: Result<(), &ErrorKind>) {
        self.finish(|attempt| match result {
            Ok(_) => attempt.outcome = Outcome::Ok,
            Err(error) => {
                attempt.outcome = error.outcome();
                if let ErrorKind::Api(api) = error {
                    attempt.status = Some(api.status);
                    attempt.retry_after = api.retry_after;
                    attempt.should_retry = api.should_retry;
                }
            }
        });
    }

    /// Completes the entry, unless that has been done.
    fn finish(&self, complete: impl FnOnce(&mut Attempt)) {
        let mut record = self.invoke.record();
        let Some(entry) = record.trail.get_mut(self.index) else { return };
        if let Some(begun) = entry.since.take() {
            entry.attempt.took = begun.elapsed();
            complete(&mut entry.attempt);
            count_attempt(&entry.attempt);
        }
    }
}

impl Drop for StartedAttempt {
    fn drop(&mut self) {
        let outcome = self.invoke.cut_short();
        self.finish(|attempt| attempt.outcome = outcome);
    }
}

#[cfg(test)]
mod tests;
