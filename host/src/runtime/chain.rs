//! A chain of modules, and the modules of one call.

use std::sync::Arc;

use crate::{
    adapter::answer::Answer,
    call::{
        branch::Branch,
        line::Line,
        stop::{AnswerFuture, Call, Stop},
        upstream::Upstream,
    },
    chat::{config_error::ConfigError, error::ErrorKind},
    config::sandbox::OnTrap,
    runtime::{
        guest::{hop::Hop, place::Place},
        instance::{error::InstanceError, pool::Pool},
        limits::{limit::Limit, size::size_of_request},
        slot::{Slot, Version},
    },
    telemetry::{
        meters::count_failure,
        spans::{module_ended, module_span},
    },
};

/// How many digits of a component's SHA-256 tell its version.
const DIGITS: usize = 12;

/// A chain: modules around an upstream, outermost first.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) modules: Arc<[Arc<Slot>]>,
    pub(crate) end: Arc<Upstream>,
}

impl Chain {
    /// Starts a call: takes the version that each module has now. The call runs on it to its end.
    pub(crate) fn start(&self) -> Arc<dyn Stop> {
        let around = |inner, slot: &Arc<Slot>| Arc::new(Module::new(slot, inner)) as Arc<dyn Stop>;
        self.modules.iter().rev().fold(self.end.clone(), around)
    }

    /// The first module that reads what models answer.
    pub(crate) fn reader(&self) -> Option<&str> {
        let reads = |slot: &&Arc<Slot>| match &*slot.version() {
            Version::Runs { pool, .. } => pool.reads_answers(),
            Version::Removed { .. } => false,
        };
        self.modules.iter().find(reads).map(|slot| &**slot.module())
    }
}

/// A module in the chain of one call. It knows only the modules inside of it, so that an instance never holds itself by
/// way of its calls.
struct Module {
    place: Arc<Place>,
    version: Arc<Version>,
    inner: Arc<dyn Stop>,
}

impl Module {
    /// The current version of a slot's module, around `inner`.
    fn new(slot: &Slot, inner: Arc<dyn Stop>) -> Self {
        Self { place: slot.place.clone(), version: slot.version(), inner }
    }
}

impl Stop for Module {
    fn provider(&self) -> &str {
        self.inner.provider()
    }

    fn model(&self) -> &str {
        self.inner.model()
    }

    fn validate_config(&self) -> Result<(), ConfigError> {
        match &*self.version {
            Version::Removed { why, .. } => {
                let module = &self.place.module;
                Err(ConfigError::new(format!("was removed: {why}")).key(format!("modules.{module}")))
            }
            Version::Runs { .. } => self.inner.validate_config(),
        }
    }

    fn around(&self, end: Arc<dyn Stop>) -> Arc<dyn Stop> {
        let (place, version, inner) = (self.place.clone(), self.version.clone(), self.inner.around(end));
        Arc::new(Self { place, version, inner })
    }

    fn name_modules(&self, names: &mut Vec<String>) {
        let name = &self.place.module;
        names.push(match &*self.version {
            Version::Runs { digest, .. } => format!("{name}@{}", digest.get(..DIGITS).unwrap_or(digest)),
            Version::Removed { .. } => name.to_string(),
        });
        self.inner.name_modules(names);
    }

    fn invoke(self: Arc<Self>, call: Call) -> AnswerFuture {
        Box::pin(async move {
            match &*self.version {
                Version::Runs { pool, .. } => self.serve(pool, call).await,
                Version::Removed { why, on_trap } => {
                    let hop = self.hop(&call, false);
                    Box::pin(self.serve_without(InstanceError::removed(why), *on_trap, &hop, call)).await
                }
            }
        })
    }
}

impl Module {
    async fn serve(&self, pool: &Pool, call: Call) -> Result<Answer, ErrorKind> {
        let content = if pool.is_copying() { size_of_request(&call.request) } else { 0 };
        let (most, limit) = pool.policy().content_of_call();
        let mut alone = false;
        loop {
            let hop = self.hop(&call, pool.takes_whole());
            // Dropping this future ends the module's work for the call.
            let _dropped = hop.end_guard();
            let served = if content > most {
                Err(InstanceError::too_large("request", content, most, limit))
            } else {
                pool.serve(call.request.clone(), hop.clone(), content, alone).await
            };
            let failed = match served {
                Ok(answer) => return self.ended(&hop, *answer),
                Err(_) if call.branch.cancel.is_cancelled() => {
                    return self.ended(&hop, Err(call.branch.invoke.why_over()));
                }
                Err(failed) => failed,
            };
            // The instance ended, perhaps because of another call. If the module has asked nobody, another instance
            // serves the call. It serves it alone, so that a call that ends every instance ends no other call.
            if failed.is_of_neighbour() && !alone && !hop.close() {
                alone = true;
                continue;
            }
            return Box::pin(self.serve_without(failed, pool.policy().on_trap, &hop, call)).await;
        }
    }

    /// The call at this module.
    fn hop(&self, call: &Call, takes_whole: bool) -> Arc<Hop> {
        let Branch { invoke, cancel, span, line } = &call.branch;
        let (cancel, span) = (cancel.part(), module_span(span, &self.place.module));
        let line = Some(Line::after(line.clone()));
        let branch = Branch { invoke: invoke.clone(), cancel, span, line };
        Arc::new(Hop::new(self.place.clone(), self.inner.clone(), branch, takes_whole))
    }

    /// Ends a call that the module could not serve: with an error, or without the module.
    async fn serve_without(
        &self,
        failed: InstanceError,
        on_trap: OnTrap,
        hop: &Hop,
        call: Call,
    ) -> Result<Answer, ErrorKind> {
        count_failure(&self.place.module, failed.limit.map(Limit::setting));
        let has_asked = hop.close();
        let error = failed.for_caller(&self.place.module, self.provider());
        if has_asked || on_trap == OnTrap::Fail {
            return self.ended(hop, Err(error));
        }
        tracing::warn!(target: "arcllm::module", "{error}; the call goes on without the module (on_trap = \"bypass\")");
        self.ended(hop, self.inner.clone().invoke(call).await)
    }

    fn ended(&self, hop: &Hop, result: Result<Answer, ErrorKind>) -> Result<Answer, ErrorKind> {
        module_ended(&hop.branch.span, &result);
        self.place.own_time.record(hop.progress.own_time());
        result
    }
}
