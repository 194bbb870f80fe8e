//! The interface of adapters. An adapter turns a request into one exchange with a provider, and the answer into a response.
//!
//! An adapter makes one attempt. Retries, deadlines, cancellation and the trail are handled by its caller.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::{
    adapter::answer::Answer,
    chat::{config_error::ConfigError, error::ErrorKind, request::Request, response::Response},
};

/// Sends requests to one model of one provider.
///
/// Dropping a future that it returns ends the attempt and closes its connection. The task that polls the future also polls
/// other calls. So run long computations, such as writing a long conversation as JSON, in a task of their own.
pub trait Adapter: Send + Sync + 'static {
    /// Checks that the provider can be asked, without asking it: its key is there, its URL is one. Unless this is implemented,
    /// nothing stands in the way.
    ///
    /// # Errors
    ///
    /// What stands in the way.
    fn validate_config(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Sends the request once.
    ///
    /// # Errors
    ///
    /// `Api`, `Connection`, `Timeout` or `Parse`; `Usage` if the request cannot be written for this provider.
    fn send(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>>;

    /// Sends the request once and asks for a streamed answer. Resolves with the first event that
    /// [has content](crate::Event::is_content), so that an error before it is an error of the attempt. The default answers
    /// in one piece, by [`send`](Adapter::send).
    ///
    /// Dropping the answer, too, ends the attempt and closes its connection.
    ///
    /// # Errors
    ///
    /// As [`send`](Adapter::send); the events end with an error of the same kinds.
    fn stream(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Answer, ErrorKind>> {
        let sending = self.send(request);
        Box::pin(async move { Ok(sending.await?.into()) })
    }

    /// Counts the tokens of a request that is written in the provider's format. Resolves with the provider's answer as it is.
    /// Unless this is implemented, the provider cannot count, which is `None`.
    ///
    /// # Errors
    ///
    /// As [`send`](Adapter::send).
    fn count_tokens(
        self: Arc<Self>,
        body: Bytes,
        headers: Vec<(String, String)>,
    ) -> BoxFuture<'static, Result<Option<Bytes>, ErrorKind>> {
        let _ = (body, headers);
        Box::pin(async { Ok(None) })
    }
}
