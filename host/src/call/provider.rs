//! What can be asked: a module around its inner, or the end of the chain. Nothing asks which of them it is.

use std::{
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{FutureExt as _, Stream, StreamExt as _, TryFutureExt as _, future::BoxFuture, stream::CatchUnwind};

use crate::{
    adapter::{
        adapter::Adapter,
        answer::{Answer, EventStream, without_end},
    },
    call::{
        held::Held,
        invoke::{Begun, Call},
    },
    chat::{
        error::{ErrorKind, Failure},
        event::Event,
        request::Options,
        response::Response,
    },
    telemetry::{
        scope::Scope,
        spans::{attempt_ended, attempt_span, attempt_traced},
        trace::TraceParent,
    },
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
    fn invoke(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Answer, ErrorKind>>;
}

/// The end of the chain: makes one attempt through an adapter, within the deadline, and notes it in the trail.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) adapter: Arc<dyn Adapter>,
    /// The module that loaded it; absent if it was the caller.
    pub(crate) loaded_by: Option<Arc<str>>,
    /// Options of requests that do not set them, if a module loaded it by a name of `[models]`.
    pub(crate) options: Option<Arc<Options>>,
}

impl Upstream {
    pub(crate) fn new(provider: &str, model: String, adapter: Arc<dyn Adapter>) -> Self {
        Self { provider: provider.to_owned(), model, adapter, loaded_by: None, options: None }
    }
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

    fn invoke(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Answer, ErrorKind>> {
        Box::pin(async move {
            if call.cancel.is_cancelled() {
                return Err(call.invoke.over());
            }
            if call.invoke.remaining().is_some_and(|remaining| remaining.is_zero()) {
                return Err(ErrorKind::DeadlineExceeded);
            }
            let attempt = Attempt {
                begun: Some(call.invoke.begin(&self, call.asked_by.as_ref())?),
                span: attempt_span(&call.span, &self, call.asked_by.as_deref()),
            };
            let mut answering = pin!(TraceParent::cover(attempt.traced(), self.attempt(&call)));
            let answer = poll_fn(|context| {
                let _entered = attempt.span.enter();
                answering.as_mut().poll(context)
            })
            .await;
            match answer {
                Ok(Answer::Whole(response)) => {
                    attempt.end(Ok(&response));
                    Ok(Answer::Whole(response))
                }
                Ok(Answer::Stream { head, events }) => Ok(self.watch(attempt, head, events)),
                Err(error) => {
                    attempt.end(Err(&error));
                    Err(error)
                }
            }
        })
    }
}

impl Upstream {
    async fn attempt(&self, call: &Call) -> Result<Answer, ErrorKind> {
        let mut request = call.request.clone();
        if let Some(options) = &self.options {
            Arc::make_mut(&mut request).options.fill(options);
        }
        let sending = match call.invoke.streamed {
            true => self.adapter.clone().stream(request).left_future(),
            false => self.adapter.clone().send(request).map_ok(Answer::from).right_future(),
        };
        // Whoever asks serves other calls too, and must survive an adapter that panics.
        let sending = AssertUnwindSafe(sending).catch_unwind();
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(call.invoke.over()),
            sent = sending => sent.unwrap_or_else(|_| Err(panicked(&self.provider))),
        }
    }

    /// An answer that is coming, which ends the attempt when it has come or is given up.
    fn watch(&self, attempt: Attempt, head: Box<Response>, events: EventStream) -> Answer {
        attempt.commit();
        let events = AssertUnwindSafe(events).catch_unwind();
        let watched = Watched { events, attempt: Some(attempt), provider: self.provider.clone() };
        Answer::Stream { head, events: watched.boxed() }
    }
}

fn panicked(provider: &str) -> ErrorKind {
    ErrorKind::Other(Failure::new(provider, "the adapter panicked"))
}

/// An attempt under way, as the trail and an observer have it. Dropped before its end, it was cut short.
struct Attempt {
    /// Absent once it has ended.
    begun: Option<Begun>,
    span: Scope,
}

impl Attempt {
    /// What the provider is told of it, which its span tells too.
    fn traced(&self) -> Option<TraceParent> {
        let parent = self.begun.as_ref()?.trace_parent()?;
        attempt_traced(&self.span, &parent);
        Some(parent)
    }

    fn commit(&self) {
        if let Some(begun) = &self.begun {
            begun.commit();
        }
    }

    fn end(mut self, result: Result<&Response, &ErrorKind>) {
        attempt_ended(&self.span, result);
        if let Some(begun) = self.begun.take() {
            begun.end(result.map(|_| ()));
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(begun) = &self.begun {
            attempt_ended(&self.span, Err(&begun.over()));
        }
    }
}

/// The events of an attempt.
struct Watched {
    events: CatchUnwind<AssertUnwindSafe<EventStream>>,
    /// Absent once it has ended.
    attempt: Option<Attempt>,
    provider: String,
}

impl Stream for Watched {
    type Item = Result<Event, ErrorKind>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.attempt.is_none() {
            return Poll::Ready(None);
        }
        let event = match ready!(self.events.poll_next_unpin(context)) {
            Some(Ok(event)) => event,
            Some(Err(_)) => Err(panicked(&self.provider)),
            None => Err(without_end(&self.provider)),
        };
        let result = match &event {
            Ok(Event::End(response)) => Ok(&**response),
            Ok(_) => return Poll::Ready(Some(event)),
            Err(error) => Err(error),
        };
        if let Some(attempt) = self.attempt.take() {
            attempt.end(result);
        }
        Poll::Ready(Some(event))
    }
}
