//! A stop of a chain: a module around its inner, or the upstream at the end.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::{
    adapter::answer::Answer,
    call::branch::Branch,
    chat::{config_error::ConfigError, error::ErrorKind, request::Request},
};

/// A stop of a chain. Callers do not know which kind it is.
pub(crate) trait Stop: Send + Sync {
    /// The provider at the end of the chain.
    fn provider(&self) -> &str;

    /// The model at the end of the chain.
    fn model(&self) -> &str;

    /// Checks, without sending anything, that the end of the chain can be asked.
    ///
    /// # Errors
    ///
    /// What is wrong, such as a missing key.
    fn validate_config(&self) -> Result<(), ConfigError>;

    /// The modules from this stop on, around another end.
    fn around(&self, end: Arc<dyn Stop>) -> Arc<dyn Stop>;

    /// Adds the modules from this stop on, outermost first: each as `NAME@` and the first digits of its component's SHA-256.
    fn name_modules(&self, _names: &mut Vec<String>) {}

    /// Asks, and resolves when the answer is committed. Dropping the future cancels the call.
    ///
    /// The instance of the asking module polls it and serves other calls too, so it must not compute long.
    fn invoke(self: Arc<Self>, call: Call) -> AnswerFuture;
}

/// The future of an answer.
pub(crate) type AnswerFuture = BoxFuture<'static, Result<Answer, ErrorKind>>;

/// One request on its way down the chain.
#[derive(Clone)]
pub(crate) struct Call {
    /// The content. A module that forwards it does not copy it.
    pub(crate) request: Arc<Request>,
    /// The module that asks. Absent if the caller asks.
    pub(crate) asked_by: Option<Arc<str>>,
    /// The branch of the invoke.
    pub(crate) branch: Branch,
}
