//! What can be asked: a module around its inner, or the end of the chain. Nothing asks which of them it is.

use std::{future::poll_fn, panic::AssertUnwindSafe, pin::pin, sync::Arc};

use futures::future::{BoxFuture, FutureExt as _};

use crate::{
    adapter::Adapter,
    error::{ErrorKind, Failure},
    held::Held,
    invoke::Call,
    response::Response,
    telemetry::{attempt_ended, attempt_span},
};

/// One stop of a chain.
pub(crate) trait Provider: Send + Sync {
    /// The name of the provider at the end of the chain.
    fn name(&self) -> &str;

    /// The model that the provider at the end of the chain is asked for.
    fn model(&self) -> &str;

    /// Whether a call can be made at all, a key included.
    fn validate_config(&self) -> Result<(), String>;

    /// What the modules from here on run on now, for a call to keep.
    fn hold(&self) -> Held;

    /// Asks, and resolves when the answer is committed. Dropping the future cancels the call.
    ///
    /// It is polled inside of the asking module's instance, which serves other calls too: it must not compute there.
    fn invoke(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Response, ErrorKind>>;
}

/// The end of the chain: makes one attempt through an adapter, within the deadline, and notes it in the trail.
pub(crate) struct Upstream {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) adapter: Arc<dyn Adapter>,
    /// The module that loaded it; absent if it was the caller.
    pub(crate) loaded_by: Option<Arc<str>>,
}

impl Provider for Upstream {
    fn name(&self) -> &str {
        &self.provider
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn validate_config(&self) -> Result<(), String> {
        // Loading has refused whatever would stand in the way.
        Ok(())
    }

    fn hold(&self) -> Held {
        Held::default()
    }

    fn invoke(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            if call.cancel.is_cancelled() {
                return Err(call.invoke.over());
            }
            if call.invoke.remaining().is_some_and(|remaining| remaining.is_zero()) {
                return Err(ErrorKind::DeadlineExceeded);
            }
            let begun = call.invoke.begin(&self, call.asked_by.as_deref());
            let span = attempt_span(&call.span, &self, call.asked_by.as_deref());
            let mut attempt = pin!(self.attempt(&call));
            let result = poll_fn(|context| {
                let _entered = span.enter();
                attempt.as_mut().poll(context)
            })
            .await;
            attempt_ended(&span, &result);
            begun.end(&result);
            result
        })
    }
}

impl Upstream {
    async fn attempt(&self, call: &Call) -> Result<Response, ErrorKind> {
        // Whoever asks serves other calls too, and must survive an adapter that panics.
        let sending = AssertUnwindSafe(self.adapter.clone().send(call.request.clone())).catch_unwind();
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(call.invoke.over()),
            sent = sending => sent.unwrap_or_else(|_| {
                Err(ErrorKind::Other(Failure::new(&self.provider, "the adapter panicked")))
            }),
        }
    }
}
