//! Why an instance did not serve a call to its end.

use std::sync::Arc;

use crate::{
    adapter::answer::Answer,
    chat::{
        error::{ErrorKind, Failure},
        plain::{self, MESSAGE, SENTENCE},
    },
    runtime::{
        guest::{hop::Hop, origin::Origin},
        limits::{capacity, limit::Limit},
    },
};

/// What a module answered, or why no instance served the call to its end. Boxed, since every call has room for it.
pub(crate) type Served = Result<Box<Result<Answer, ErrorKind>>, InstanceError>;

/// Why an instance did not serve a call to its end.
#[derive(Clone)]
pub(crate) struct InstanceError {
    /// What happened, for a person.
    pub(crate) reason: String,
    /// The limit that was exceeded, if it was that.
    pub(crate) limit: Option<Limit>,
    /// The call that is to blame, if that is known.
    culprit: Option<Arc<Hop>>,
    concerns: Concerns,
}

/// Which calls an error concerns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Concerns {
    /// All calls of the module.
    All,
    /// The calls of one instance, which has ended.
    Instance,
    /// A call that shared the instance with others, and may not be to blame.
    Neighbour,
}

impl InstanceError {
    /// Something happened.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), limit: None, culprit: None, concerns: Concerns::All }
    }

    /// The guest trapped, at a limit or by itself.
    pub(crate) fn trap(error: &wasmtime::Error, culprit: Option<Arc<Hop>>) -> Self {
        let limit = Limit::of(error);
        // Names of the component's own functions are in it.
        tracing::debug!(target: "arcllm::module", "{}", plain::lines(&format!("{error:#}"), MESSAGE));
        // The root alone: around it stand addresses inside of the component.
        let cause = || plain::line(&error.root_cause().to_string(), SENTENCE).into_owned();
        let reason = limit.map_or_else(cause, |limit| limit.to_string());
        Self { reason, limit, culprit, concerns: Concerns::Instance }
    }

    /// The call made no progress.
    pub(crate) fn stalled() -> Self {
        Self::of_limit(Limit::Stall)
    }

    /// No instance can serve the call, and no more calls may wait for one. `limit` stands in the way of an instance.
    pub(crate) fn overloaded(limit: Limit, waiting: u32) -> Self {
        match limit {
            Limit::Running | Limit::ModulesMemory => {
                let (instances, mb) = capacity::taken();
                let reason = format!("{limit}: there are {instances}, which take {mb} MB");
                Self { limit: Some(limit), ..Self::new(reason) }
            }
            _ => {
                let reason = format!("it is overloaded: {waiting} calls wait for an instance already (max_queued)");
                Self { limit: Some(Limit::Queued), ..Self::new(reason) }
            }
        }
    }

    /// The content of a call is too large for the module, which copies it.
    pub(crate) fn too_large(what: &str, bytes: usize, most: usize, limit: Limit) -> Self {
        let mb = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        let reason = format!("the {what} is too large for it: {:.1} MB, and it takes {:.1} MB", mb(bytes), mb(most));
        Self { limit: Some(limit), ..Self::new(format!("{reason} ({})", limit.setting())) }
    }

    /// The module's file is not there any more.
    pub(crate) fn removed(origin: &Origin) -> Self {
        Self::new(format!("it was removed: {origin} is not there"))
    }

    /// The instance was given up.
    pub(crate) fn retired() -> Self {
        Self { concerns: Concerns::Instance, ..Self::new("its instance was retired") }
    }

    /// Whether no instance would do better.
    pub(crate) fn concerns_all(&self) -> bool {
        self.concerns == Concerns::All
    }

    /// Whether another instance may serve the call, if it has asked nobody yet: this one ended, maybe for another's sake.
    pub(crate) fn may_pass(&self) -> bool {
        self.concerns == Concerns::Neighbour
    }

    /// The instance's task is gone.
    pub(crate) fn lost() -> Self {
        Self::new("its instance was lost")
    }

    /// The error that the caller of this module gets. The chain ends with this provider.
    pub(crate) fn for_caller(&self, module: &str, provider: &str) -> ErrorKind {
        let mut failure = Failure::new(provider, format!("the module `{module}` failed: {}", self.reason));
        failure.extensions.insert("module".to_owned(), module.into());
        if let Some(limit) = self.limit {
            failure.extensions.insert("limit".to_owned(), limit.setting().into());
        }
        ErrorKind::Module(failure)
    }

    fn of_limit(limit: Limit) -> Self {
        Self { limit: Some(limit), ..Self::new(limit.to_string()) }
    }

    /// What it means for one of the calls that the instance was serving.
    pub(crate) fn for_call(&self, hop: &Arc<Hop>, shared: usize) -> Self {
        let of_another = self.culprit.as_ref().is_some_and(|culprit| !Arc::ptr_eq(culprit, hop));
        let mut failed = self.clone();
        let is_culprit = self.culprit.is_some() && !of_another;
        if self.concerns == Concerns::Instance && shared > 1 && !is_culprit {
            failed.concerns = Concerns::Neighbour;
        }
        if of_another {
            failed.reason.push_str(", in another call");
        }
        if shared > 1 {
            failed.reason.push_str(&format!("; {shared} calls shared the instance (max_concurrent bounds how many)"));
        }
        failed
    }
}
