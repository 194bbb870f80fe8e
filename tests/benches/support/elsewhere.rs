//! An adapter whose answers come from another task, like those of a network.

use std::sync::Arc;

use arcllm::{Adapter, ErrorKind, Failure, Request, Response};
use futures::future::BoxFuture;

use super::answer;

/// Answers from another task.
pub(crate) struct Elsewhere;

impl Adapter for Elsewhere {
    fn send(self: Arc<Self>, _: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            let answering = tokio::spawn(async { answer() });
            answering.await.map_err(|_| ErrorKind::Other(Failure::new("a", "the task ended")))
        })
    }
}
