//! A module at its place in a chain: a provider that hands each call to an instance.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::{
    handles::{Hop, Place},
    worker::Job,
};
use crate::{
    error::{ErrorKind, Failure},
    held::Held,
    invoke::Call,
    link::{Current, Link},
    provider::Provider,
    response::Response,
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

    fn invoke(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        Box::pin(async move {
            let held = call.held.of(&self.link);
            let (current, held) = held.unwrap_or_else(|| (self.link.now(), self.place.inner.hold()));
            let pool = match &*current {
                Current::Runs { pool, .. } => pool,
                Current::Removed(origin) => {
                    let message = format!("the module `{}` was removed: {origin} is not there", self.place.module);
                    return Err(ErrorKind::Module(Failure::new(self.name(), message)));
                }
            };
            let cancel = call.cancel.child_token();
            // Dropping this future ends whatever the module does for it.
            let _dropped = cancel.clone().drop_guard();
            let (reply, answer) = oneshot::channel();
            let hop = Arc::new(Hop { place: self.place.clone(), invoke: call.invoke, held, cancel });
            let (mut worker, seat) = pool.worker();
            let mut job = Job { request: call.request, hop, reply, seat };
            while let Err(refused) = worker.hand(job) {
                let (next, seat) = pool.worker();
                worker = next;
                job = Job { seat, ..refused };
            }
            match answer.await {
                Ok(answer) => answer,
                Err(_) if call.cancel.is_cancelled() => Err(ErrorKind::Cancelled),
                Err(_) => {
                    let (module, reason) = (&self.place.module, worker.reason().await);
                    let message = format!("the module `{module}` failed: {reason}");
                    Err(ErrorKind::Module(Failure::new(self.name(), message)))
                }
            }
        })
    }
}
