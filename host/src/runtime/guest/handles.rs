//! What stands behind the handles that a module holds.
//!
//! `bindgen!` wants those that stand for resources to be `pub`; the module they are in is not.

#![expect(unreachable_pub, reason = "bindgen! re-exports them from a private module")]

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

use crate::chat::seconds::nanoseconds;
use crate::{
    adapter::answer::{Answer, EventStream},
    call::{
        cancel::{Cancel, CancelOnDrop},
        clock::Clock,
        held::Held,
        invoke::{Call, Invoke},
        model::Asking,
        provider::Provider,
    },
    chat::{error::ErrorKind, request::Request},
    config::{error::ConfigError, provider::ModelFacts, sandbox::Limits, wire_format::WireFormat},
    runtime::{
        guest::{
            additions::{MayAdd, refusal},
            writing::Writing,
        },
        limits::{
            limits::{Limit, Made},
            log_rate::Logged,
        },
    },
    telemetry::{
        meters::{count_fallback, count_retry},
        scope::Scope,
    },
};
use metrics::Histogram;

/// How many asks of a call that is over are answered. A guest that goes on after so many is not told again, or it would
/// compute for ever, and in its instance nobody else.
const TOLD: u32 = 64;

/// Loads what a module asks for by a provider's name: the modules that stand inside of it around another adapter.
pub(crate) trait Loader: Send + Sync {
    /// Loads the default model of this provider.
    fn load(&self, provider: &str) -> Result<Arc<dyn Provider>, ConfigError>;

    /// What config says of this model of this provider.
    fn facts(&self, provider: &str, model: &str) -> Option<(WireFormat, ModelFacts)>;
}

/// A module's place in one chain. The same instance may serve many.
pub(crate) struct Place {
    /// The module's name in the config.
    pub(crate) module: Arc<str>,
    /// What it wraps.
    pub(crate) inner: Arc<dyn Provider>,
    /// How it comes by other models.
    pub(crate) loader: Arc<dyn Loader>,
    /// What it may add to a request.
    pub(crate) may_add: MayAdd,
    /// What tells it the time of day.
    pub(crate) clock: Clock,
    /// The time that the module spends itself.
    pub(crate) own_time: Histogram,
}

/// One call at a module's place in a chain. Handles keep it; it outlives the call as long as they do.
pub(crate) struct Hop {
    pub(crate) place: Arc<Place>,
    pub(crate) invoke: Arc<Invoke>,
    /// What the modules inside of this one run on.
    pub(crate) held: Held,
    /// Whether the module is given whole answers only.
    takes_whole: bool,
    /// Fires when the caller is gone and when the module has answered: from then on nothing is done for this call, unless
    /// it is to write an answer that is read.
    cancel: Cancel,
    /// The answer that the module writes, if it does.
    writing: OnceLock<Arc<Writing>>,
    /// Whether the module has asked anybody.
    asked: AtomicBool,
    /// How often it has been told that the call is over.
    told: AtomicU32,
    /// What the module waits for of the host's.
    pending: AtomicU32,
    /// Changes whenever the call gets on.
    progress: AtomicU32,
    /// For how many ticks the guest has computed.
    ticks: AtomicU32,
    /// What the module has logged for it.
    logged: Logged,
    /// What the module is seen doing.
    pub(crate) span: Scope,
    started: Instant,
    /// Nanoseconds after the start: since when the module waits for the host.
    waits_since: AtomicU64,
    /// Nanoseconds that it has waited for the host before.
    waited: AtomicU64,
}

impl Hop {
    /// A call that begins.
    pub(crate) fn new(
        place: Arc<Place>,
        invoke: Arc<Invoke>,
        held: Held,
        takes_whole: bool,
        cancel: Cancel,
        span: Scope,
    ) -> Self {
        let (asked, told, pending, progress, ticks, logged, waits_since, waited, writing) = Default::default();
        Self {
            place,
            invoke,
            held,
            takes_whole,
            cancel,
            writing,
            asked,
            told,
            pending,
            progress,
            ticks,
            logged,
            span,
            started: Instant::now(),
            waits_since,
            waited,
        }
    }

    /// How long the module has taken so far, waiting for the host left out.
    pub(crate) fn own_time(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_nanos(self.waited.load(Ordering::Relaxed)))
    }

    fn now(&self) -> u64 {
        nanoseconds(self.started.elapsed())
    }

    /// Counts time of computing, and tells how much it is in all.
    pub(crate) fn computed(&self, ticks: u64) -> u64 {
        self.progress.fetch_add(1, Ordering::Relaxed);
        // A call that computes for a year has ended before.
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
        self.ticks.fetch_add(ticks, Ordering::Relaxed).saturating_add(ticks).into()
    }

    /// Counts a log message. Fails if the call alone logs more than an instance may.
    pub(crate) fn logs(&self, bytes: usize, limits: &Limits) -> Result<(), Limit> {
        self.logged.count(bytes, self.started.elapsed().as_secs(), limits)
    }

    /// For as long as the returned value lives, the module waits for something of the host's.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        if self.pending.fetch_add(1, Ordering::Relaxed) == 0 {
            self.waits_since.store(self.now(), Ordering::Relaxed);
        }
        Waiting(self)
    }

    /// A number that changes as the call gets on; none while the module waits for the host.
    pub(crate) fn progress(&self) -> Option<u32> {
        let waits = self.pending.load(Ordering::Relaxed) > 0;
        (!waits).then(|| self.progress.load(Ordering::Relaxed))
    }

    /// Ends what is done for this call, once the returned value is dropped.
    pub(crate) fn end_guard(&self) -> CancelOnDrop {
        self.cancel.on_drop()
    }

    /// Whether nothing is done for this call any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled() && !self.is_read()
    }

    /// Waits until nothing is to be done for this call any more.
    pub(crate) async fn cancelled(&self) {
        self.cancel.cancelled().await;
        if let Some(writing) = self.writing.get() {
            // On the heap, since it is rare and every call would have room for it.
            Box::pin(writing.unread()).await;
        }
    }

    /// The module begins to write an answer. None if it has begun one before.
    pub(crate) fn begin_writing(&self) -> Option<Arc<Writing>> {
        let writing = Arc::<Writing>::default();
        self.writing.set(writing.clone()).ok()?;
        Some(writing)
    }

    /// The answer that the module writes, if it does.
    pub(crate) fn writing(&self) -> Option<&Arc<Writing>> {
        self.writing.get()
    }

    /// What ends the calls that the module makes for this one: those for an answer that it writes go on with it.
    fn inner_cancel(&self) -> Cancel {
        self.writing.get().map_or_else(|| self.cancel.clone(), |writing| writing.unread_token())
    }

    /// Whether the module writes an answer that somebody reads.
    pub(crate) fn is_read(&self) -> bool {
        self.writing.get().is_some_and(|writing| writing.is_read())
    }

    /// Sees to it that the module asks nobody from now on. Tells whether it has asked before.
    pub(crate) fn close(&self) -> bool {
        self.cancel.cancel();
        self.asked.load(Ordering::SeqCst)
    }

    /// Asks the inner, or another model, on behalf of this call.
    // Not an `async fn`, whose future would have room for what it was given, too.
    pub(crate) fn ask(
        &self,
        whom: Arc<dyn Provider>,
        request: Arc<Request>,
    ) -> impl Future<Output = Result<Answer, ErrorKind>> {
        let call = Call {
            request,
            invoke: self.invoke.clone(),
            asked_by: Some(self.place.module.clone()),
            held: self.held.clone(),
            cancel: self.inner_cancel(),
            span: self.span.clone(),
        };
        // In this order, so that whoever closes the call either sees it or has stopped it.
        if self.asked.swap(true, Ordering::SeqCst) {
            let is_inner = Arc::ptr_eq(&whom, &self.place.inner);
            (if is_inner { count_retry } else { count_fallback })(&self.place.module);
        }
        // Where the caller waits for all of it, an error after the beginning can still be handled.
        let whole = self.takes_whole || !self.invoke.streamed;
        let answer = answer(whom.invoke(call), whole);
        async move {
            let _waiting = self.wait();
            // Not only once the caller has cancelled the call: it may not have come to that yet.
            let is_over = self.invoke.is_exceeded() || self.is_cancelled();
            if is_over && self.told.fetch_add(1, Ordering::Relaxed) >= TOLD {
                std::future::pending::<()>().await;
            }
            tokio::select! {
                biased;
                () = self.cancelled() => Err(self.invoke.over()),
                answer = answer => answer,
            }
        }
    }
}

/// Asks, and waits for all of the answer where the module is to be given that.
async fn answer(asking: Asking, whole: bool) -> Result<Answer, ErrorKind> {
    let answer = asking.await?;
    if !whole || matches!(answer, Answer::Whole(_)) {
        return Ok(answer);
    }
    // On the heap, since it is rare and every call would have room for it.
    Box::pin(answer.whole()).await.map(Answer::from)
}

/// A module waits for something of the host's.
pub(crate) struct Waiting<'a>(&'a Hop);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.progress.fetch_add(1, Ordering::Relaxed);
        if self.0.pending.fetch_sub(1, Ordering::Relaxed) == 1 {
            let waited = self.0.now().saturating_sub(self.0.waits_since.load(Ordering::Relaxed));
            self.0.waited.fetch_add(waited, Ordering::Relaxed);
        }
    }
}

/// A `request` of the WIT.
#[derive(Clone)]
pub struct RequestHandle {
    pub(crate) request: Arc<Request>,
    pub(crate) hop: Arc<Hop>,
    /// What is known of it, if the module made it. Kept for as long as anybody is asked with it.
    pub(crate) made: Option<Arc<Derived>>,
}

/// What is known of a request that a module made.
pub(crate) struct Derived {
    /// What it takes.
    _weight: Made,
    /// The request that the module was given.
    given: Arc<Request>,
    /// Why it may not be sent.
    refused: Option<ErrorKind>,
}

impl RequestHandle {
    /// A request that the module made of this one, and that takes so much.
    pub(crate) fn derive(&self, request: Request, weight: Made) -> Self {
        // What it was given, and not what it made of that: a request that is refused would let the next one through.
        let given = self.made.as_ref().map_or(&self.request, |made| &made.given).clone();
        let refused = refusal(&self.hop.place, &given, &request);
        let made = Derived { _weight: weight, given, refused };
        Self { request: Arc::new(request), hop: self.hop.clone(), made: Some(Arc::new(made)) }
    }
}

/// Asks with this request: the inner, or else this model.
pub(crate) async fn ask(handle: RequestHandle, model: Option<Arc<dyn Provider>>) -> Result<Answer, ErrorKind> {
    let RequestHandle { request, hop, made } = handle;
    if let Some(refused) = made.as_ref().and_then(|made| made.refused.clone()) {
        return Err(refused);
    }
    let whom = model.unwrap_or_else(|| hop.place.inner.clone());
    hop.ask(whom, request).await
}

/// A `response` of the WIT.
pub struct ResponseHandle {
    pub(crate) answer: Answer,
    /// Set if it is the answer that the module writes.
    pub(crate) writing: Option<Arc<Writing>>,
    /// What it takes, if the module made it.
    pub(crate) _made: Option<Made>,
}

impl From<Answer> for ResponseHandle {
    fn from(answer: Answer) -> Self {
        Self { answer, writing: None, _made: None }
    }
}

/// A `model` of the WIT.
pub struct ModelHandle {
    pub(crate) model: Arc<dyn Provider>,
}

/// A `reader` of the WIT.
pub struct ReaderHandle {
    /// Apart from the handle, so that a read that is given up leaves it where it was.
    pub(crate) reading: Arc<tokio::sync::Mutex<Reading>>,
    /// The call that reads.
    pub(crate) hop: Option<Arc<Hop>>,
}

/// How far an answer has been read.
pub(crate) struct Reading {
    /// Absent once it is over.
    pub(crate) events: Option<EventStream>,
    /// What the next read says, if it came right behind an event.
    pub(crate) failed: Option<ErrorKind>,
}
