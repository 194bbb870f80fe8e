//! What all attempts of one invoke share: its deadline, trail and random numbers.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::task::AtomicWaker;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use tokio::time::Instant;

use crate::{
    call::{attempt_log::AttemptLog, line::Line},
    chat::{
        config_error::ConfigError,
        error::ErrorKind,
        failure::{Failure, NO_ANSWER},
        note::{Note, Notes},
        plain::{self, WORD},
        response::Response,
        trail::{Attempt, Outcome},
        usage::Usage,
    },
    config::price::Price,
    telemetry::{
        meters::{count_attempt, count_failure},
        trace::{Trace, TraceParent},
    },
};

/// The setting that limits the attempts of an invoke.
const LIMIT: &str = "max_attempts";

/// One invoke. Its times are tokio's, so that they are virtual when tokio's clock is paused.
pub(crate) struct Invoke {
    started: Instant,
    deadline: Option<Instant>,
    /// Whether the caller wants a streamed answer.
    pub(crate) streamed: bool,
    /// How many attempts the invoke may make.
    max_attempts: u32,
    /// Why the invoke is over, once a module has asked for too many attempts.
    exceeded: OnceLock<Box<ErrorKind>>,
    /// Wakes the caller when that happens.
    caller: AtomicWaker,
    /// The trace that providers are told of, if any.
    trace: OnceLock<Trace>,
    /// Whether a module reads answers.
    reads_answers: OnceLock<()>,
    record: Mutex<Record>,
}

struct Record {
    trail: AttemptLog,
    notes: Notes,
    waited: Duration,
    waited_by: Option<Arc<str>>,
    random: SmallRng,
    /// The last model that a module could not load: what the module was told, and the whole error.
    unavailable: Option<Box<(ConfigError, ConfigError)>>,
    /// The last answer whose content only the caller can read, and the number of its attempt.
    unread: Option<Box<(usize, Response)>>,
}

impl Invoke {
    /// Starts an invoke. Its random numbers depend on `seed` and `number` alone.
    pub(crate) fn start(budget: Duration, max_attempts: u32, seed: u64, number: u64, streamed: bool) -> Arc<Self> {
        let started = Instant::now();
        // An odd factor keeps the numbers apart. Seeding spreads them, since neighbouring states would give similar
        // numbers.
        let random = SmallRng::seed_from_u64(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let record = Record {
            trail: AttemptLog::default(),
            notes: Notes::default(),
            waited: Duration::ZERO,
            waited_by: None,
            random,
            unavailable: None,
            unread: None,
        };
        // A budget past the end of the clock means no deadline.
        let deadline = started.checked_add(budget);
        let (exceeded, caller, trace, reads_answers) = Default::default();
        Arc::new(Self {
            started,
            deadline,
            streamed,
            max_attempts,
            exceeded,
            caller,
            trace,
            reads_answers,
            record: Mutex::new(record),
        })
    }

    /// Why the invoke is over, if a module has asked for too many attempts.
    pub(crate) fn exceeded(&self) -> Option<ErrorKind> {
        self.exceeded.get().map(|error| (**error).clone())
    }

    /// Whether a module has asked for too many attempts.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded.get().is_some()
    }

    /// Waits until a module has asked for too many attempts. Wakes the last poller, which is the caller.
    pub(crate) fn poll_exceeded(&self, context: &mut Context<'_>) -> Poll<()> {
        // In this order, so that no wake is lost between the two.
        self.caller.register(context.waker());
        if self.is_exceeded() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ends the invoke, since a module has asked for too many attempts.
    fn exceed(&self, provider: &str, asked_by: Option<&Arc<str>>) -> ErrorKind {
        let error = self.exceeded.get_or_init(|| {
            // Only a module can ask too often: the caller asks once.
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

    /// Sets the trace that providers are told of.
    pub(crate) fn set_trace(&self, trace: Trace) {
        // The trace is set once, when the invoke begins.
        let _ = self.trace.set(trace);
    }

    /// Notes that a module reads answers.
    pub(crate) fn set_reads_answers(&self) {
        // It is set once, when the invoke begins.
        let _ = self.reads_answers.set(());
    }

    /// Settles what becomes of an answer whose content only the caller can read: it is an error if a module reads answers. If
    /// `modules` have asked, they are told the error too, since they may ask again. The answer is kept, in case that nothing
    /// better comes.
    pub(crate) fn settled(
        &self,
        mut response: Box<Response>,
        modules: Option<&StartedAttempt>,
    ) -> Result<Box<Response>, ErrorKind> {
        if self.reads_answers.get().is_some() && response.original.says_more() {
            response.original.change();
        }
        let Some(error) = response.original.take_unread() else { return Ok(response) };
        match (self.reads_answers.get(), modules) {
            (Some(()), _) => Err(error),
            (None, None) => Ok(response),
            (None, Some(attempt)) => {
                self.record().unread = Some(Box::new((attempt.index, *response)));
                Err(error)
            }
        }
    }

    /// The answer that only the caller can read, if the call would end with this error of a provider.
    pub(crate) fn instead_of(&self, error: &ErrorKind) -> Option<Response> {
        match error {
            ErrorKind::Api(_) | ErrorKind::Connection(_) | ErrorKind::Timeout(_) | ErrorKind::Parse(_) => {}
            ErrorKind::Config(_)
            | ErrorKind::Usage(_)
            | ErrorKind::Module(_)
            | ErrorKind::Cancelled
            | ErrorKind::DeadlineExceeded
            | ErrorKind::Other(_) => return None,
        }
        let mut record = self.record();
        let (index, response) = *record.unread.take()?;
        record.trail.commit(index);
        Some(response)
    }

    /// When the invoke must be over.
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

    /// Fills `bytes` with the next random bytes of this invoke.
    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        self.record().random.fill_bytes(bytes);
    }

    /// Notes that a module slept. The next attempt records it.
    pub(crate) fn waited(&self, by: &Arc<str>, slept: Duration) {
        let mut record = self.record();
        record.waited += slept;
        record.waited_by = Some(by.clone());
    }

    /// How many attempts have begun for this call of a module.
    pub(crate) fn attempt_count(&self, call: &Arc<Line>) -> usize {
        self.record().trail.count_of(call)
    }

    /// The attempts for this call of a module, from number `since` on, in the order of their beginnings. An attempt under way is
    /// shown as ending now.
    pub(crate) fn attempts(&self, call: &Arc<Line>, since: usize) -> Vec<Attempt> {
        self.record().trail.of(call, since, self.cut_short())
    }

    /// The trail so far.
    pub(crate) fn trail_so_far(&self) -> Vec<Attempt> {
        self.record().trail.all(self.cut_short())
    }

    /// Takes the trail. The invoke is over.
    pub(crate) fn trail(&self) -> Vec<Attempt> {
        self.record().trail.take(self.cut_short())
    }

    /// Keeps a remark of a module.
    pub(crate) fn note(&self, module: &str, text: &str) {
        let after = self.started.elapsed();
        self.record().notes.add(module, after, text);
    }

    /// What modules have remarked so far.
    pub(crate) fn notes_so_far(&self) -> Vec<Note> {
        self.record().notes.all()
    }

    /// Takes what modules have remarked. The invoke is over.
    pub(crate) fn notes(&self) -> Vec<Note> {
        self.record().notes.take()
    }

    /// Makes the error that a module gets for a model that does not load. It names the provider and no paths, variables
    /// or other providers. The whole error goes to the log, and to the caller if the call ends with it.
    pub(crate) fn unavailable(&self, module: &str, provider: &str, error: ConfigError) -> ErrorKind {
        let provider = plain::line(provider, WORD).into_owned();
        tracing::info!(target: "arcllm::module", module, provider, "a model is not available: {error}");
        let told = ConfigError::new(format!("the model of `{provider}` is not available")).provider(provider);
        self.record().unavailable = Some(Box::new((told.clone(), error)));
        told.into()
    }

    /// The error as the caller sees it, with what modules were not told.
    pub(crate) fn explained(&self, error: ErrorKind) -> ErrorKind {
        match (error, self.record().unavailable.take().map(|unavailable| *unavailable)) {
            (ErrorKind::Config(error), Some((told, whole))) if *error == told => {
                ConfigError { provider: told.provider, ..whole }.into()
            }
            (error, _) => error,
        }
    }

    /// Why the invoke is over.
    pub(crate) fn why_over(&self) -> ErrorKind {
        self.exceeded().unwrap_or_else(|| match self.remaining() {
            Some(Duration::ZERO) => ErrorKind::DeadlineExceeded,
            _ => ErrorKind::Cancelled,
        })
    }

    /// The outcome of an attempt that was cut short.
    fn cut_short(&self) -> Outcome {
        match self.remaining() {
            Some(Duration::ZERO) => Outcome::DeadlineExceeded,
            _ => Outcome::Cancelled,
        }
    }

    /// Starts an attempt for this branch. It ends with the returned value.
    ///
    /// # Errors
    ///
    /// Where the invoke has made all the attempts that it may make. That ends the invoke, and later attempts fail too.
    pub(crate) fn start_attempt(
        self: &Arc<Self>,
        provider: &str,
        model: &str,
        asked_by: Option<&Arc<str>>,
        loaded_by: Option<&str>,
        line: Option<&Arc<Line>>,
    ) -> Result<StartedAttempt, ErrorKind> {
        let mut record = self.record();
        if usize::try_from(self.max_attempts).is_ok_and(|most| record.trail.len() >= most) {
            return Err(self.exceed(provider, asked_by));
        }
        let attempt = Attempt {
            waited: std::mem::take(&mut record.waited),
            started_after: self.started.elapsed(),
            asked_by: asked_by.map(|by| by.to_string()),
            loaded_by: loaded_by.map(str::to_owned),
            waited_by: record.waited_by.take().map(|by| by.to_string()),
            ..Attempt::new(provider, model, Outcome::Cancelled)
        };
        let index = record.trail.start(attempt, line.cloned());
        drop(record);
        let number = index + 1;
        tracing::debug!(target: "arcllm::attempt", provider, model, number, "attempt");
        Ok(StartedAttempt { invoke: self.clone(), index, price: None })
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        // Nothing panics while it holds the lock, and a poisoned trail would still be whole.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt under way. Dropped before its end, it was cut short.
pub(crate) struct StartedAttempt {
    invoke: Arc<Invoke>,
    index: usize,
    /// What the model's tokens cost.
    price: Option<Price>,
}

impl StartedAttempt {
    /// The attempt with the price of its model.
    pub(crate) fn priced(self, price: Option<Price>) -> Self {
        // The fields of a type with `Drop` cannot be moved out.
        let mut priced = self;
        priced.price = price;
        priced
    }

    /// The `traceparent` of the attempt, if the provider is told.
    pub(crate) fn trace_parent(&self) -> Option<TraceParent> {
        self.invoke.trace.get().map(|trace| trace.attempt(self.index))
    }

    /// Why the attempt is over before its end.
    pub(crate) fn why_over(&self) -> ErrorKind {
        self.invoke.why_over()
    }

    /// Notes that the answer has begun to come, and what its headers say.
    pub(crate) fn commit(&self, head: &Response) {
        let mut record = self.invoke.record();
        record.trail.commit(self.index);
        record.trail.allow(self.index, &head.allowances);
    }

    /// Records how the attempt ended. `counted` is what the provider counted of an answer that broke off.
    pub(crate) fn end(self, result: Result<&Response, &ErrorKind>, counted: Option<Usage>) {
        self.finish(|attempt| {
            record(attempt, result, counted);
            attempt.cost = self.price.zip(attempt.usage.as_ref()).and_then(|(price, usage)| price.cost(usage));
        });
    }

    /// Completes the entry, unless it is complete.
    fn finish(&self, complete: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.invoke.record().trail.end(self.index, complete) {
            count_attempt(attempt);
        }
    }
}

/// Writes into the entry how the attempt ended.
fn record(attempt: &mut Attempt, result: Result<&Response, &ErrorKind>, counted: Option<Usage>) {
    match result {
        Ok(response) => {
            attempt.outcome = Outcome::Ok;
            attempt.request_id.clone_from(&response.request_id);
            attempt.usage = Some(response.usage.clone());
            // Those of a streamed answer were noted at its beginning.
            if attempt.first_event.is_none() {
                attempt.allowances.clone_from(&response.allowances);
            }
        }
        Err(error) => {
            attempt.outcome = error.outcome();
            attempt.usage = counted;
            match error {
                ErrorKind::Api(api) => {
                    attempt.status = Some(api.status);
                    attempt.reason = Some(api.reason.clone());
                    attempt.retry_after = api.retry_after;
                    attempt.should_retry = api.should_retry;
                    attempt.request_id.clone_from(&api.request_id);
                    if attempt.first_event.is_none() {
                        attempt.allowances.clone_from(&api.allowances);
                    }
                }
                ErrorKind::Parse(failure) => attempt.no_answer = failure.extensions.contains_key(NO_ANSWER),
                _ => {}
            }
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
