//! A module at its place in a chain: a provider that has an instance serve each call.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::{
    adapter::answer::Answer,
    call::{held::Held, invoke::Call, provider::Provider},
    chat::error::ErrorKind,
    config::sandbox::OnTrap,
    runtime::{
        guest::handles::{Hop, Place},
        instance::failed::Failed,
        limits::{limits::Limit, size::size_of_request},
        link::{Current, Link},
    },
    telemetry::{
        meters::count_failure,
        spans::{hop_ended, hop_span},
    },
};

/// A module around its inner.
pub(crate) struct Module {
    pub(crate) link: Arc<Link>,
    pub(crate) place: Arc<Place>,
}

impl Provider for Module {
    fn name(&self) -> &str {
        self.place.inner.name()
    }

    fn model(&self) -> &str {
        self.place.inner.model()
    }

    fn validate_config(&self) -> Result<(), String> {
        self.place.inner.validate_config()
    }

    fn hold(&self) -> Held {
        Held::around(self.link.clone(), self.place.inner.hold())
    }

    fn invoke(self: Arc<Self>, mut call: Call) -> BoxFuture<'static, Result<Answer, ErrorKind>> {
        Box::pin(async move {
            let held = call.held.of(&self.link);
            let (current, held) = held.unwrap_or_else(|| (self.link.now(), self.place.inner.hold()));
            call.held = held;
            let pool = match &*current {
                Current::Runs { pool, .. } => pool,
                Current::Removed { origin, on_trap } => {
                    let hop = self.hop(&call, false);
                    return Box::pin(self.make_do(Failed::removed(origin), *on_trap, &hop, call)).await;
                }
            };
            let content = if pool.copies() { size_of_request(&call.request) } else { 0 };
            let (most, limit) = pool.caps().content_of_call();
            let mut alone = false;
            loop {
                let hop = self.hop(&call, pool.takes_whole());
                // Dropping this future ends whatever the module does for it.
                let _dropped = hop.end_guard();
                let outcome = if content > most {
                    Err(Failed::too_large("request", content, most, limit))
                } else {
                    pool.serve(call.request.clone(), hop.clone(), content, alone).await
                };
                let failed = match outcome {
                    Ok(answer) => return self.ended(&hop, *answer),
                    Err(_) if call.cancel.is_cancelled() => return self.ended(&hop, Err(call.invoke.over())),
                    Err(failed) => failed,
                };
                // Its instance ended, maybe for another call's sake. As long as nobody was asked, another can serve it: alone,
                // so that a call which ends every instance ends no other call.
                if failed.may_pass() && !alone && !hop.close() {
                    alone = true;
                    continue;
                }
                // On the heap, since it is rare and every call would have room for it.
                return Box::pin(self.make_do(failed, pool.on_trap(), &hop, call)).await;
            }
        })
    }
}

impl Module {
    /// A call at this place.
    fn hop(&self, call: &Call, takes_whole: bool) -> Arc<Hop> {
        let (cancel, span) = (call.cancel.part(), hop_span(&call.span, &self.place.module));
        Arc::new(Hop::new(self.place.clone(), call.invoke.clone(), call.held.clone(), takes_whole, cancel, span))
    }

    /// What becomes of a call that no instance served to its end.
    async fn make_do(&self, failed: Failed, on_trap: OnTrap, hop: &Hop, call: Call) -> Result<Answer, ErrorKind> {
        count_failure(&self.place.module, failed.limit.map(Limit::setting));
        let has_asked = hop.close();
        let error = failed.error(&self.place);
        if has_asked || on_trap == OnTrap::Fail {
            return self.ended(hop, Err(error));
        }
        tracing::warn!(target: "arcllm::module", "{error}; the call goes on without it (on_trap)");
        self.ended(hop, self.place.inner.clone().invoke(call).await)
    }

    fn ended(&self, hop: &Hop, result: Result<Answer, ErrorKind>) -> Result<Answer, ErrorKind> {
        hop_ended(&hop.span, &result);
        self.place.own_time.record(hop.own_time());
        result
    }
}
