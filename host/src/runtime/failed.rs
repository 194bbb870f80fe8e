//! Why an instance did not serve a call to its end.

use std::sync::Arc;

use super::{component::Origin, handles::Hop, limits::Limit};
use crate::{error::ErrorKind, response::Response};

/// What a module made of a call, unless it could not be served. On the heap, since a call has room for it from its
/// beginning.
pub(super) type Outcome = Result<Box<Result<Response, ErrorKind>>, Failed>;

/// Why an instance did not serve a call to its end.
#[derive(Clone)]
pub(crate) struct Failed {
    /// For a person.
    pub(super) reason: String,
    /// The limit that was exceeded, if it was that.
    pub(super) limit: Option<Limit>,
    /// The call that is to blame, where that is known.
    culprit: Option<Arc<Hop>>,
}

impl Failed {
    /// Something happened.
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), limit: None, culprit: None }
    }

    /// The guest trapped, at a limit or by itself.
    pub(super) fn trap(error: &wasmtime::Error, culprit: Option<Arc<Hop>>) -> Self {
        let limit = Limit::of(error);
        tracing::debug!(target: "arcllm::module", "{error:#}");
        // The root alone: around it stand addresses inside of the component.
        let reason = limit.map_or_else(|| error.root_cause().to_string(), |limit| limit.to_string());
        Self { reason, limit, culprit }
    }

    /// The call made no progress.
    pub(super) fn stalled() -> Self {
        Self::of_limit(Limit::Stall)
    }

    /// Too many calls wait for an instance.
    pub(super) fn overloaded() -> Self {
        Self::of_limit(Limit::Queued)
    }

    /// The module's file is not there any more.
    pub(super) fn removed(origin: &Origin) -> Self {
        Self::new(format!("it was removed: {origin} is not there"))
    }

    /// The instance was given up; no call should see this.
    pub(super) fn retired() -> Self {
        Self::new("its instance was retired")
    }

    /// The instance's task is gone.
    pub(super) fn lost() -> Self {
        Self::new("its instance was lost")
    }

    fn of_limit(limit: Limit) -> Self {
        Self { reason: limit.to_string(), limit: Some(limit), culprit: None }
    }

    /// What it means for one of the calls that the instance was serving.
    pub(super) fn for_call(&self, hop: &Arc<Hop>, shared: usize) -> Self {
        let of_another = self.culprit.as_ref().is_some_and(|culprit| !Arc::ptr_eq(culprit, hop));
        let mut failed = self.clone();
        if of_another {
            failed.reason.push_str(", in another call");
        }
        if shared > 1 {
            failed.reason.push_str(&format!("; {shared} calls shared the instance (max_concurrent bounds how many)"));
        }
        failed
    }
}
