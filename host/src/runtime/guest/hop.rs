//! A hop: one call at one module, with what it may still ask and when it is over.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use crate::{
    adapter::answer::Answer,
    call::{
        branch::Branch,
        cancel::{Cancel, CancelOnDrop},
        stop::{AnswerFuture, Call, Stop},
    },
    chat::{error::ErrorKind, request::Request, trail::Attempt},
    runtime::guest::{
        ending::Ending, noting::Noting, place::Place, progress::CallProgress, read_originals::ReadOriginals,
        writing::Writing,
    },
    telemetry::meters::{count_fallback, count_retry},
};

/// How many of the questions of a call that is over get an error. Later ones get no answer, since a guest that asks for
/// ever would hold up its instance.
const TOLD: u32 = 64;

/// One call at one module. Handles keep it, so it may outlive the call.
pub(crate) struct Hop {
    pub(crate) place: Arc<Place>,
    /// What the module wraps.
    pub(crate) inner: Arc<dyn Stop>,
    /// The module's part of the invoke. It is cancelled when the caller is gone and when the module has answered. From
    /// then on nothing is done for the call, unless the module writes an answer that is read.
    pub(crate) branch: Branch,
    /// How the module makes progress.
    pub(crate) progress: CallProgress,
    /// Whether the module gets whole answers only.
    takes_whole: bool,
    /// The answer that the module writes, if it does.
    writing: OnceLock<Arc<Writing>>,
    /// How the answer ends that the module has handed on, if it watches that.
    handed_on: OnceLock<Arc<Ending>>,
    /// The provider's own events of the answer that the module reads, if it reads one in events.
    read: OnceLock<Arc<ReadOriginals>>,
    /// Whether the module has asked its inner or another model.
    asked: AtomicBool,
    /// How often the module has been told that the call is over.
    told: AtomicU32,
    /// What the module does in the store.
    pub(crate) noting: Noting,
}

impl Hop {
    /// Starts a call.
    pub(crate) fn new(place: Arc<Place>, inner: Arc<dyn Stop>, branch: Branch, takes_whole: bool) -> Self {
        let (writing, handed_on, read, asked, told, noting) = Default::default();
        let progress = CallProgress::start();
        Self { place, inner, branch, progress, takes_whole, writing, handed_on, read, asked, told, noting }
    }

    /// Returns a guard that ends the call when it is dropped.
    pub(crate) fn end_guard(&self) -> CancelOnDrop {
        self.branch.cancel.on_drop()
    }

    /// Whether the module may ask no more.
    pub(crate) fn is_over(&self) -> bool {
        self.branch.cancel.is_cancelled() && !self.is_read()
    }

    /// Waits until the module may ask no more.
    async fn may_ask_no_more(&self) {
        self.branch.cancel.cancelled().await;
        if let Some(writing) = self.writing.get() {
            Box::pin(writing.unread()).await;
        }
    }

    /// Waits until the call is over: nothing more is done for it. A module that watches its answer still notes how the answer
    /// ended.
    pub(crate) async fn over(&self) {
        self.may_ask_no_more().await;
        if let Some(ending) = self.handed_on.get() {
            Box::pin(ending.unwatched()).await;
        }
    }

    /// Waits until the module may note nothing more about the call: for a while after it is over.
    pub(crate) async fn may_note_no_more(&self) {
        self.over().await;
        tokio::time::sleep_until(self.noting.ends()).await;
    }

    /// Notes that the module has handed on an answer whose end it watches.
    pub(crate) fn hand_on(&self, ending: Arc<Ending>) {
        // A call has one answer.
        let _ = self.handed_on.set(ending);
    }

    /// How the answer ends that the module has handed on, if it watches that.
    pub(crate) fn handed_on(&self) -> Option<&Arc<Ending>> {
        self.handed_on.get()
    }

    /// Whether the module waits for the end of the answer that it has handed on.
    pub(crate) fn is_watching(&self) -> bool {
        self.handed_on.get().is_some_and(|ending| ending.is_watched())
    }

    /// The attempts that were made for this call, from number `since` on.
    pub(crate) fn attempts(&self, since: usize) -> Vec<Attempt> {
        let Branch { invoke, line, .. } = &self.branch;
        line.as_ref().map(|line| invoke.attempts(line, since)).unwrap_or_default()
    }

    /// The number of attempts that were made for this call.
    pub(crate) fn attempt_count(&self) -> usize {
        let Branch { invoke, line, .. } = &self.branch;
        line.as_ref().map_or(0, |line| invoke.attempt_count(line))
    }

    /// The provider's own events of the answer that the module reads.
    pub(crate) fn read_originals(&self) -> Arc<ReadOriginals> {
        self.read.get_or_init(Arc::default).clone()
    }

    /// Starts an answer that the module writes. `None` if it has started one before.
    pub(crate) fn start_writing(&self) -> Option<Arc<Writing>> {
        let writing = Arc::<Writing>::default();
        self.writing.set(writing.clone()).ok()?;
        Some(writing)
    }

    /// The answer that the module writes, if it does.
    pub(crate) fn writing(&self) -> Option<&Arc<Writing>> {
        self.writing.get()
    }

    /// Whether the module writes an answer that is read.
    pub(crate) fn is_read(&self) -> bool {
        self.writing.get().is_some_and(|writing| writing.is_read())
    }

    /// Ends the call: the module can ask no more. Returns whether it has asked.
    pub(crate) fn close(&self) -> bool {
        self.branch.cancel.cancel();
        self.asked.load(Ordering::SeqCst)
    }

    /// Why the module may not send a request that it made from `given`, if the sandbox forbids it.
    pub(crate) fn refusal(&self, given: &Request, made: &Request) -> Option<ErrorKind> {
        self.place.may_add.refusal(&self.place.module, self.inner.provider(), given, made)
    }

    /// Asks the inner.
    pub(crate) fn ask_inner(&self, request: Arc<Request>) -> impl Future<Output = Result<Answer, ErrorKind>> {
        self.ask(self.inner.clone(), request, count_retry)
    }

    /// Asks another model: the inner modules around this end.
    pub(crate) fn ask_model(
        &self,
        end: Arc<dyn Stop>,
        request: Arc<Request>,
    ) -> impl Future<Output = Result<Answer, ErrorKind>> {
        self.ask(self.inner.around(end), request, count_fallback)
    }

    // Not an `async fn`: its future would also hold the arguments.
    fn ask(
        &self,
        whom: Arc<dyn Stop>,
        request: Arc<Request>,
        count_again: fn(&Arc<str>),
    ) -> impl Future<Output = Result<Answer, ErrorKind>> {
        let branch = Branch { cancel: self.inner_cancel(), ..self.branch.clone() };
        let call = Call { request, asked_by: Some(self.place.module.clone()), branch };
        // Before the call is made: a caller that closes this hop sees that it asked, or has cancelled it.
        if self.asked.swap(true, Ordering::SeqCst) {
            count_again(&self.place.module);
        }
        // If the caller waits for the whole answer, modules can still handle an error after its beginning.
        let whole = self.takes_whole || !self.branch.invoke.streamed;
        let answering = answer(whom.invoke(call), whole);
        async move {
            let _waiting = self.progress.wait();
            // The invoke may be over before the caller cancels it.
            let is_over = self.branch.invoke.is_exceeded() || self.is_over();
            if is_over && self.told.fetch_add(1, Ordering::Relaxed) >= TOLD {
                std::future::pending::<()>().await;
            }
            tokio::select! {
                biased;
                () = self.may_ask_no_more() => Err(self.branch.invoke.why_over()),
                answer = answering => answer,
            }
        }
    }

    /// Cancels the calls that the module makes for this one. An answer that the module writes keeps them alive.
    fn inner_cancel(&self) -> Cancel {
        self.writing.get().map_or_else(|| self.branch.cancel.clone(), |writing| writing.on_unread())
    }
}

/// Waits for the beginning of the answer, or for all of it.
async fn answer(answering: AnswerFuture, whole: bool) -> Result<Answer, ErrorKind> {
    let answer = answering.await?;
    if !whole || matches!(answer, Answer::Whole(_)) {
        return Ok(answer);
    }
    Box::pin(answer.whole()).await.map(Answer::from)
}
