//! Adapters: what turns a request into one HTTP exchange with a provider, and its answer into a response.
//!
//! An adapter makes one attempt and nothing else. Retrying, deadlines, cancellation and the trail stand outside of it.
//!
//! Conversion (`anthropic`, `openai`, `answer`) knows nothing of the network, and the network (`http`, `client`)
//! nothing of the formats.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::{
    adapter::answer::Answer,
    chat::{error::ErrorKind, request::Request, response::Response},
    config::error::ConfigError,
};

/// Makes one attempt.
///
/// Dropping the future ends the attempt and closes its connection. It is polled beside other calls: what computes for
/// long, such as writing a long conversation as JSON, belongs into a task of its own.
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
    /// `Api`, `Connection`, `Timeout` or `Parse`; `Config` where the request cannot be written in this format.
    fn send(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>>;

    /// Sends the request once and asks for an answer that comes in events. Resolves with the first of them that
    /// [says something](crate::Event::is_content), so that an error before it is an error of the attempt. An adapter that
    /// cannot stream answers whole, which is what happens unless this is implemented.
    ///
    /// Dropping the future, or the answer, ends the attempt and closes its connection.
    ///
    /// # Errors
    ///
    /// As [`send`](Adapter::send); the events end with an error of the same kinds.
    fn stream(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Answer, ErrorKind>> {
        let sending = self.send(request);
        Box::pin(async move { Ok(sending.await?.into()) })
    }
}
