//! What stands behind the handles that a module holds.
//!
//! `bindgen!` wants the two that stand for resources to be `pub`; the module they are in is not.

#![expect(unreachable_pub, reason = "bindgen! re-exports them from a private module")]

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    config::ConfigError,
    error::ErrorKind,
    held::Held,
    invoke::{Call, Invoke},
    provider::Provider,
    request::Request,
    response::Response,
};

/// Loads what a module asks for by a provider's name: the modules that stand inside of it around another adapter.
pub(crate) trait Loader: Send + Sync {
    /// Loads the default model of this provider.
    fn load(&self, provider: &str) -> Result<Arc<dyn Provider>, ConfigError>;
}

/// A module's place in one chain. The same instance may serve many.
pub(crate) struct Place {
    /// The module's name in the config.
    pub(crate) module: Arc<str>,
    /// What it wraps.
    pub(crate) inner: Arc<dyn Provider>,
    /// How it comes by other models.
    pub(crate) loader: Arc<dyn Loader>,
}

/// One call at a module's place in a chain. Handles keep it; it outlives the call as long as they do.
pub(crate) struct Hop {
    pub(crate) place: Arc<Place>,
    pub(crate) invoke: Arc<Invoke>,
    /// What the modules inside of this one run on.
    pub(crate) held: Held,
    /// Fires when the caller is gone and when the module has answered: from then on nothing is done for this call.
    pub(crate) cancel: CancellationToken,
}

impl Hop {
    /// Asks the inner, or another model, on behalf of this call.
    pub(crate) async fn ask(&self, whom: Arc<dyn Provider>, request: Arc<Request>) -> Result<Response, ErrorKind> {
        let call = Call {
            request,
            invoke: self.invoke.clone(),
            asked_by: Some(self.place.module.clone()),
            held: self.held.clone(),
            cancel: self.cancel.clone(),
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(ErrorKind::Cancelled),
            answer = whom.invoke(call) => answer,
        }
    }
}

/// A `request` of the WIT.
pub struct RequestHandle {
    pub(crate) request: Arc<Request>,
    pub(crate) hop: Arc<Hop>,
}

/// A `model` of the WIT.
pub struct ModelHandle {
    pub(crate) model: Arc<dyn Provider>,
}
