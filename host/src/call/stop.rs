//! What can be asked: a module around its inner, or the end of the chain. Nothing needs to know which of them it is.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::{
    adapter::answer::Answer,
    call::branch::Branch,
    chat::{error::ErrorKind, request::Request},
    config::error::ConfigError,
};

/// One stop of a chain.
pub(crate) trait Stop: Send + Sync {
    /// The provider at the end of the chain.
    fn provider(&self) -> &str;

    /// The model that the provider at the end of the chain is asked for.
    fn model(&self) -> &str;

    /// Checks that the end of the chain can be asked, without asking it.
    ///
    /// # Errors
    ///
    /// What stands in the way, such as a missing key.
    fn validate_config(&self) -> Result<(), ConfigError>;

    /// The modules from this stop on, around another end.
    fn around(&self, end: Arc<dyn Stop>) -> Arc<dyn Stop>;

    /// Asks, and resolves when the answer is committed. Dropping the future cancels the call.
    ///
    /// It is polled inside of the asking module's instance, which serves other calls too, so it must not compute there.
    fn invoke(self: Arc<Self>, call: Call) -> Answering;
}

/// A stop that has been asked.
pub(crate) type Answering = BoxFuture<'static, Result<Answer, ErrorKind>>;

/// One request on its way down the chain.
#[derive(Clone)]
pub(crate) struct Call {
    /// The content. A module forwards it without touching it.
    pub(crate) request: Arc<Request>,
    /// The module that asks. Absent if it is the caller.
    pub(crate) asked_by: Option<Arc<str>>,
    /// The branch of the invoke that it belongs to.
    pub(crate) branch: Branch,
}
