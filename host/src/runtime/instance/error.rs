//! Why an instance did not serve a call to its end.

use std::sync::Arc;

use crate::{
    adapter::answer::Answer,
    chat::{
        error::ErrorKind,
        failure::{CAUSE, Failure},
        plain::{self, MESSAGE, SENTENCE},
    },
    runtime::{
        guest::{hop::Hop, store_data::StoreData},
        limits::{capacity, limit::Limit, policy::InstancePolicy},
    },
};

/// What a module answered, or why no instance served the call. Boxed, since the future of every call has room for it.
pub(crate) type ServeResult = Result<Box<Result<Answer, ErrorKind>>, InstanceError>;

/// Why an instance did not serve a call to its end.
#[derive(Clone)]
pub(crate) struct InstanceError {
    /// What happened, for a person to read.
    pub(crate) reason: String,
    /// The limit that was exceeded, if the error is about one.
    pub(crate) limit: Option<Limit>,
    /// The same without the guest's own words, where the reason has them. Those may repeat what was said in a call.
    cause: Option<String>,
    /// The call that caused the error, if it is known.
    culprit: Option<Arc<Hop>>,
    extent: Extent,
}

/// The calls that an error is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All calls of the module.
    All,
    /// The calls of one instance, which has ended.
    Instance,
    /// A call that shared the instance with others, and may not be the cause.
    Neighbour,
}

impl InstanceError {
    /// An error about all calls of the module.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), limit: None, cause: None, culprit: None, extent: Extent::All }
    }

    /// The guest trapped, at a limit or by itself. `state` has what it said of it.
    pub(crate) fn trap(error: &wasmtime::Error, culprit: Option<Arc<Hop>>, state: &mut StoreData) -> Self {
        let limit = Limit::of(error);
        // It has names of the component's own functions, which are for its author.
        tracing::debug!(target: "arcllm::module", "{}", plain::lines(&format!("{error:#}"), MESSAGE));
        // Only the root: the rest has addresses inside of the component.
        let cause = plain::line(&error.root_cause().to_string(), SENTENCE).into_owned();
        let (reason, cause) = match limit {
            Some(limit) => (state.policy.excess(limit), None),
            None => (state.last_words(|| cause.clone()), Some(cause)),
        };
        Self { reason, limit, cause, culprit, extent: Extent::Instance }
    }

    /// The call made no progress.
    pub(crate) fn stalled(policy: &InstancePolicy) -> Self {
        Self { limit: Some(Limit::Stall), ..Self::new(policy.excess(Limit::Stall)) }
    }

    /// No instance can serve the call, and the queue is full. `limit` prevents another instance.
    pub(crate) fn overloaded(limit: Limit, policy: &InstancePolicy) -> Self {
        match limit {
            Limit::Running | Limit::ModulesMemory => {
                let (instances, mb) = capacity::taken();
                let reason = policy.excess(limit);
                Self { limit: Some(limit), ..Self::new(format!("{reason}: {instances} instances take {mb} MB")) }
            }
            _ => Self { limit: Some(Limit::Queued), ..Self::new(policy.excess(Limit::Queued)) },
        }
    }

    /// The content of a call is too large for the module, which copies it.
    pub(crate) fn too_large(what: &str, bytes: usize, most: usize, limit: Limit) -> Self {
        let mb = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        let reason =
            format!("the {what} is too large for it: {:.1} MB, and it takes at most {:.1} MB", mb(bytes), mb(most));
        Self { limit: Some(limit), ..Self::new(format!("{reason} ({})", limit.setting())) }
    }

    /// The module's file was removed. `why` says what is there now.
    pub(crate) fn removed(why: &str) -> Self {
        Self::new(format!("it was removed: {why}"))
    }

    /// The instance was retired.
    pub(crate) fn retired() -> Self {
        Self { extent: Extent::Instance, ..Self::new("its instance was retired") }
    }

    /// Whether the error is about all calls of the module, so that no other instance would do better.
    pub(crate) fn is_of_all_calls(&self) -> bool {
        self.extent == Extent::All
    }

    /// Whether another call may be the cause, so that another instance may serve this one.
    pub(crate) fn is_of_neighbour(&self) -> bool {
        self.extent == Extent::Neighbour
    }

    /// The instance's task is gone.
    pub(crate) fn lost() -> Self {
        Self::new("its instance was lost")
    }

    /// The error that the caller of this module gets. `provider` is the end of the chain.
    pub(crate) fn for_caller(&self, module: &str, provider: &str) -> ErrorKind {
        let mut failure = Failure::new(provider, format!("the module `{module}` failed: {}", self.reason));
        failure.extensions.insert("module".to_owned(), module.into());
        if let Some(limit) = self.limit {
            failure.extensions.insert("limit".to_owned(), limit.setting().into());
        }
        let cause = self.cause.as_ref().unwrap_or(&self.reason);
        failure.extensions.insert(CAUSE.to_owned(), cause.as_str().into());
        ErrorKind::Module(failure)
    }

    /// The error for one of the calls that the instance was serving.
    pub(crate) fn for_call(&self, hop: &Arc<Hop>, shared: usize) -> Self {
        let of_another = self.culprit.as_ref().is_some_and(|culprit| !Arc::ptr_eq(culprit, hop));
        let mut failed = self.clone();
        let is_culprit = self.culprit.is_some() && !of_another;
        if self.extent == Extent::Instance && shared > 1 && !is_culprit {
            failed.extent = Extent::Neighbour;
        }
        let mut add = |text: &str| {
            failed.reason.push_str(text);
            failed.cause.iter_mut().for_each(|cause| cause.push_str(text));
        };
        if of_another {
            add(", in another call");
        }
        if shared > 1 {
            add(&format!("; {shared} calls shared the instance (max_concurrent limits how many)"));
        }
        failed
    }
}
