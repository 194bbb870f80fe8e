//! An answer that a module writes, beside its `invoke` and after it has returned.

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

/// How many writes may wait for whoever reads.
const AHEAD: usize = 2;

/// The events of one write.
pub(crate) struct Batch {
    pub(crate) events: Vec<Event>,
    /// What they take of the memory that is the module's.
    pub(crate) made: HostBytes,
}

/// What whoever runs the module knows of an answer that it writes.
#[derive(Default)]
pub(crate) struct Writing {
    /// Fires when the answer is handed up. From then on its reader, and not the call, says whether it is wanted.
    released: Cancel,
    /// Fires when nobody reads any more.
    unread: Cancel,
    /// Fires when the module writes no more.
    dropped: Cancel,
    /// Fires when all is known of how it ended.
    settled: Cancel,
    /// Why the answer ended without its end.
    failed: Mutex<Option<ErrorKind>>,
}

impl Writing {
    /// The answer is handed up.
    pub(crate) fn release(&self) {
        self.released.cancel();
    }

    /// Waits until the answer is handed up.
    pub(crate) async fn released(&self) {
        self.released.cancelled().await;
    }

    /// Whether somebody has the answer and reads it.
    pub(crate) fn is_read(&self) -> bool {
        self.released.is_cancelled() && !self.unread.is_cancelled()
    }

    /// Waits until nobody reads the answer that was handed up.
    pub(crate) async fn unread(&self) {
        if self.released.is_cancelled() {
            self.unread.cancelled().await;
        }
    }

    /// Fires when nobody reads any more.
    pub(crate) fn on_unread(&self) -> Cancel {
        self.unread.clone()
    }

    /// Waits until the module writes no more, or nobody reads.
    pub(crate) async fn over(&self) {
        tokio::select! {
            () = self.dropped.cancelled() => {}
            () = self.unread.cancelled() => {}
        }
    }

    /// All is known of how it ended: with this error, unless it ended well.
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

/// A `writer` of the WIT. Dropped, it ends the answer.
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

    /// What is known of the answer.
    pub(crate) fn writing(&self) -> Arc<Writing> {
        self.writing.clone()
    }

    /// The answer has ended, with this error unless it ended well.
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

/// An answer that is written by this module, and what it is written with.
pub(crate) fn written(writing: Arc<Writing>, module: &str, provider: &str) -> (WriterHandle, Written) {
    let (sender, batches) = mpsc::channel(AHEAD);
    let settled = settled(writing.clone()).boxed();
    let failure = Failure::new(provider, format!("the module `{module}` ended its answer before it was whole"));
    let (ready, made) = Default::default();
    let written = Written { batches, ready, made, writing: writing.clone(), settled, failure: Some(failure) };
    (WriterHandle { batches: Some(sender), writing }, written)
}

/// Waits until all is known of how it ended.
async fn settled(writing: Arc<Writing>) {
    writing.settled.cancelled().await;
}

/// The events that a module writes.
pub(crate) struct Written {
    batches: mpsc::Receiver<Batch>,
    ready: VecDeque<Event>,
    /// What those take that are ready.
    made: Option<HostBytes>,
    writing: Arc<Writing>,
    settled: BoxFuture<'static, ()>,
    /// What it is if it ends without an end; absent once it has ended.
    failure: Option<Failure>,
}

impl Stream for Written {
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
        // Whoever runs the module may know why.
        ready!(this.settled.poll_unpin(context));
        let known = this.writing.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let failed = known.or_else(|| this.failure.take().map(ErrorKind::Module));
        this.failure = None;
        Poll::Ready(Some(Err(failed.unwrap_or_else(|| without_end("")))))
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.writing.unread.cancel();
    }
}
