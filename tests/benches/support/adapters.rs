//! Adapters in this process, so that only what is around them is measured.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arcllm::{Adapter, ContentBlock, ErrorKind, Request, Response};
use futures::future::BoxFuture;
use tokio::sync::{Notify, Semaphore};

/// Answers at once.
pub(crate) struct Instant;

impl Adapter for Instant {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(std::future::ready(Ok(answer())))
    }
}

/// Answers when it is told to.
pub(crate) struct Parked {
    gate: Semaphore,
    waiting: AtomicUsize,
    expected: usize,
    all: Notify,
}

impl Parked {
    /// Lets one call through, and keeps `expected` more waiting.
    pub(crate) fn new(expected: usize) -> Self {
        Self { gate: Semaphore::new(1), waiting: AtomicUsize::new(0), expected, all: Notify::new() }
    }

    /// Waits until all expected calls wait.
    pub(crate) async fn all(&self) {
        self.all.notified().await;
    }

    /// Lets all of them go.
    pub(crate) fn release(&self) {
        self.gate.close();
    }
}

impl Adapter for Parked {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            if let Ok(permit) = self.gate.try_acquire() {
                permit.forget();
                return Ok(answer());
            }
            if self.waiting.fetch_add(1, Ordering::AcqRel) + 1 == self.expected {
                self.all.notify_one();
            }
            // It ends when the gate is closed.
            let _ = self.gate.acquire().await;
            Ok(answer())
        })
    }
}

pub(crate) fn answer() -> Response {
    Response::new(vec![ContentBlock::text("Hello")]).with_provider("a", "m")
}
