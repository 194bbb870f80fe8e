//! An answer that a module writes, during its `invoke` and after it.

#![expect(unreachable_pub, reason = "bindgen! re-exports the handle from a private module")]

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{FutureExt as _, Stream, future::BoxFuture};
use tokio::sync::{mpsc, watch};

use crate::{
    adapter::answer::without_end,
    call::cancel::Cancel,
    chat::{error::ErrorKind, event::Event, failure::Failure},
    runtime::{guest::read_originals::ReadOriginals, limits::memory::HostBytes},
};

/// How many writes may wait for the reader.
const AHEAD: usize = 2;

/// The events of one write.
pub(crate) struct Batch {
    pub(crate) events: Vec<Event>,
    /// The part of the module's memory that they take.
    pub(crate) made: HostBytes,
}

/// An answer that a module writes. The instance and the reader share it.
pub(crate) struct Writing {
    state: watch::Sender<WritingState>,
    /// Fires when nobody reads any more.
    unread: Cancel,
}

#[derive(Default)]
struct WritingState {
    /// The caller has the answer. From then on its reader decides whether it is wanted.
    released: bool,
    /// The module writes no more.
    dropped: bool,
    /// It is known how the answer ended.
    settled: bool,
    /// Why the answer ended early.
    failed: Option<ErrorKind>,
}

impl Default for Writing {
    fn default() -> Self {
        Self { state: watch::Sender::new(WritingState::default()), unread: Cancel::default() }
    }
}

impl Writing {
    /// Notes that the caller has the answer.
    pub(crate) fn release(&self) {
        self.state.send_modify(|state| state.released = true);
    }

    /// Waits until the caller has the answer.
    pub(crate) async fn released(&self) {
        self.reaches(|state| state.released).await;
    }

    /// Whether the caller has the answer and reads it.
    pub(crate) fn is_read(&self) -> bool {
        self.state.borrow().released && !self.unread.is_cancelled()
    }

    /// Waits until nobody reads the answer. Returns at once if the caller does not have it.
    pub(crate) async fn unread(&self) {
        let released = self.state.borrow().released;
        if released {
            self.unread.cancelled().await;
        }
    }

    /// Fires when nobody reads any more.
    pub(crate) fn on_unread(&self) -> Cancel {
        self.unread.clone()
    }

    /// Waits until the module writes no more, or until nobody reads.
    pub(crate) async fn over(&self) {
        tokio::select! {
            () = self.reaches(|state| state.dropped) => {}
            () = self.unread.cancelled() => {}
        }
    }

    /// Notes how the answer ended: with this error, unless it ended well.
    pub(crate) fn settle(&self, failed: Option<ErrorKind>) {
        self.state.send_modify(|state| {
            state.failed = state.failed.take().or(failed);
            state.settled = true;
        });
    }

    fn fail(&self, failed: ErrorKind) {
        self.state.send_modify(|state| {
            state.failed.get_or_insert(failed);
        });
    }

    fn take_failed(&self) -> Option<ErrorKind> {
        let mut failed = None;
        self.state.send_modify(|state| failed = state.failed.take());
        failed
    }

    async fn reaches(&self, is_there: impl FnMut(&WritingState) -> bool) {
        // It fails only without a sender, which is here.
        let _ = self.state.subscribe().wait_for(is_there).await;
    }
}

/// A `writer` of the WIT. Dropping it ends the answer.
pub struct WriterHandle {
    /// Absent once the answer has ended.
    batches: Option<mpsc::Sender<Batch>>,
    writing: Arc<Writing>,
}

impl WriterHandle {
    /// Where events go, unless the answer has ended.
    pub(crate) fn batches(&self) -> Option<mpsc::Sender<Batch>> {
        self.batches.clone()
    }

    /// The state of the answer.
    pub(crate) fn writing(&self) -> Arc<Writing> {
        self.writing.clone()
    }

    /// Ends the answer, with this error unless it ended well.
    pub(crate) fn end(&mut self, failed: Option<ErrorKind>) {
        if let Some(failed) = failed {
            self.writing.fail(failed);
        }
        self.batches = None;
    }
}

impl Drop for WriterHandle {
    fn drop(&mut self) {
        self.batches = None;
        self.writing.state.send_modify(|state| state.dropped = true);
    }
}

/// Makes the two sides of an answer that a module writes.
/// `read` are the provider's own events, as far as the module has read them.
pub(crate) fn written(
    writing: Arc<Writing>,
    read: Arc<ReadOriginals>,
    module: &str,
    provider: &str,
) -> (WriterHandle, WrittenEvents) {
    let (sender, batches) = mpsc::channel(AHEAD);
    let settled = settled(writing.clone()).boxed();
    let failure = Failure::new(provider, format!("the module `{module}` ended its answer before it was whole"));
    let (ready, made) = Default::default();
    let written =
        WrittenEvents { batches, read, ready, made, writing: writing.clone(), settled, failure: Some(failure) };
    (WriterHandle { batches: Some(sender), writing }, written)
}

/// Waits until it is known how the answer ended.
async fn settled(writing: Arc<Writing>) {
    writing.reaches(|state| state.settled).await;
}

/// The events that a module writes.
pub(crate) struct WrittenEvents {
    batches: mpsc::Receiver<Batch>,
    /// The provider's own events that the module has read since the last write.
    read: Arc<ReadOriginals>,
    ready: VecDeque<Event>,
    /// The memory of the events that are ready.
    made: Option<HostBytes>,
    writing: Arc<Writing>,
    settled: BoxFuture<'static, ()>,
    /// The error of an answer that breaks off. Absent once the answer has ended.
    failure: Option<Failure>,
}

impl Stream for WrittenEvents {
    type Item = Result<Event, ErrorKind>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.failure.is_none() {
            return Poll::Ready(None);
        }
        loop {
            if let Some(event) = this.ready.pop_front() {
                if matches!(event, Event::End(_)) {
                    this.failure = None;
                }
                return Poll::Ready(Some(Ok(event)));
            }
            match ready!(this.batches.poll_recv(context)) {
                Some(Batch { events, made }) => {
                    this.ready.extend(this.read.take().into_iter().map(Event::Rewritten));
                    this.ready.extend(events);
                    this.made = Some(made);
                }
                None => break,
            }
        }
        // The instance may know why.
        ready!(this.settled.poll_unpin(context));
        let known = this.writing.take_failed();
        let failed = known.or_else(|| this.failure.take().map(ErrorKind::Module));
        this.failure = None;
        Poll::Ready(Some(Err(failed.unwrap_or_else(|| without_end("")))))
    }
}

impl Drop for WrittenEvents {
    fn drop(&mut self) {
        self.writing.unread.cancel();
    }
}
