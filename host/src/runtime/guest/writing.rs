//! An answer that a module writes, during its `invoke` and after it.

#![expect(unreachable_pub, reason = "bindgen! re-exports the handle from a private module")]

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use futures::{FutureExt as _, Stream, future::BoxFuture};
use tokio::sync::mpsc;

use crate::{
    adapter::answer::without_end,
    call::cancel::Cancel,
    chat::{
        error::{ErrorKind, Failure},
        event::Event,
    },
    runtime::limits::memory::HostBytes,
};

/// How many writes may wait for the reader.
const AHEAD: usize = 2;

/// The events of one write.
pub(crate) struct Batch {
    pub(crate) events: Vec<Event>,
    /// The part of the module's memory that they take.
    pub(crate) made: HostBytes,
}

/// The state of an answer that a module writes. The instance and the reader share it.
#[derive(Default)]
pub(crate) struct Writing {
    /// Fires when the caller has the answer. From then on its reader decides whether it is wanted.
    released: Cancel,
    /// Fires when nobody reads any more.
    unread: Cancel,
    /// Fires when the module writes no more.
    dropped: Cancel,
    /// Fires when it is known how the answer ended.
    settled: Cancel,
    /// Why the answer ended early.
    failed: Mutex<Option<ErrorKind>>,
}

impl Writing {
    /// Notes that the caller has the answer.
    pub(crate) fn release(&self) {
        self.released.cancel();
    }

    /// Waits until the caller has the answer.
    pub(crate) async fn released(&self) {
        self.released.cancelled().await;
    }

    /// Whether the caller has the answer and reads it.
    pub(crate) fn is_read(&self) -> bool {
        self.released.is_cancelled() && !self.unread.is_cancelled()
    }

    /// Waits until nobody reads the answer. Returns at once if the caller does not have it.
    pub(crate) async fn unread(&self) {
        if self.released.is_cancelled() {
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
            () = self.dropped.cancelled() => {}
            () = self.unread.cancelled() => {}
        }
    }

    /// Notes how the answer ended: with this error, unless it ended well.
    pub(crate) fn settle(&self, failed: Option<ErrorKind>) {
        if let Some(failed) = failed {
            self.fail(failed);
        }
        self.settled.cancel();
    }

    fn fail(&self, failed: ErrorKind) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failed);
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
        self.writing.dropped.cancel();
    }
}

/// Makes the two sides of an answer that a module writes.
pub(crate) fn written(writing: Arc<Writing>, module: &str, provider: &str) -> (WriterHandle, WrittenEvents) {
    let (sender, batches) = mpsc::channel(AHEAD);
    let settled = settled(writing.clone()).boxed();
    let failure = Failure::new(provider, format!("the module `{module}` ended its answer before it was whole"));
    let (ready, made) = Default::default();
    let written = WrittenEvents { batches, ready, made, writing: writing.clone(), settled, failure: Some(failure) };
    (WriterHandle { batches: Some(sender), writing }, written)
}

/// Waits until it is known how the answer ended.
async fn settled(writing: Arc<Writing>) {
    writing.settled.cancelled().await;
}

/// The events that a module writes.
pub(crate) struct WrittenEvents {
    batches: mpsc::Receiver<Batch>,
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
                    this.ready.extend(events);
                    this.made = Some(made);
                }
                None => break,
            }
        }
        // The instance may know why.
        ready!(this.settled.poll_unpin(context));
        let known = this.writing.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
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
