//! The end of a chain: makes one attempt through an adapter, within the deadline, and records it in the trail.

use std::{
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{FutureExt as _, Stream, StreamExt as _, TryFutureExt as _, stream::CatchUnwind};

use crate::{
    adapter::{
        adapter::Adapter,
        answer::{Answer, EventStream, without_end},
        format::fit,
    },
    call::{
        invoke::{Invoke, StartedAttempt},
        stop::{AnswerFuture, Call, Stop},
    },
    chat::{
        config_error::ConfigError, content::ContentBlock, error::ErrorKind, event::Event, failure::Failure,
        options::Options, response::Response, usage::Usage,
    },
    config::{price::Price, provider::ProviderConfig},
    telemetry::{
        scope::Scope,
        spans::{attempt_ended, attempt_span, attempt_traced},
        trace::TraceParent,
    },
};

/// The end of a chain: one model of one provider.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) adapter: Arc<dyn Adapter>,
    /// The module that loaded it. Absent if the caller did.
    pub(crate) loaded_by: Option<Arc<str>>,
    /// Options of requests that do not set them, if a module loaded it by a name of `[models]`.
    pub(crate) options: Option<Arc<Options>>,
    /// The provider as it is configured, if a module loaded it: the options of the caller are fitted to it.
    pub(crate) target: Option<Arc<ProviderConfig>>,
    /// What its tokens cost.
    pub(crate) price: Option<Price>,
}

impl Upstream {
    pub(crate) fn new(provider: &str, model: String, adapter: Arc<dyn Adapter>) -> Self {
        let (loaded_by, options, target, price) = Default::default();
        Self { provider: provider.to_owned(), model, adapter, loaded_by, options, target, price }
    }
}

impl Stop for Upstream {
    fn provider(&self) -> &str {
        &self.provider
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn validate_config(&self) -> Result<(), ConfigError> {
        self.adapter.validate_config()
    }

    fn around(&self, end: Arc<dyn Stop>) -> Arc<dyn Stop> {
        end
    }

    fn invoke(self: Arc<Self>, call: Call) -> AnswerFuture {
        Box::pin(async move {
            let invoke = &call.branch.invoke;
            if call.branch.cancel.is_cancelled() {
                return Err(invoke.why_over());
            }
            if invoke.remaining().is_some_and(|remaining| remaining.is_zero()) {
                return Err(ErrorKind::DeadlineExceeded);
            }
            let (asked_by, loaded_by) = (call.asked_by.as_ref(), self.loaded_by.as_deref());
            let line = call.branch.line.as_ref();
            let started =
                invoke.start_attempt(&self.provider, &self.model, asked_by, loaded_by, line)?.priced(self.price);
            let span = attempt_span(&call.branch.span, &self.provider, &self.model, asked_by.map(|by| &**by));
            let attempt = ObservedAttempt { started: Some(started), span };
            let mut answering = pin!(TraceParent::cover(attempt.traced(), self.attempt(&call)));
            let answer = poll_fn(|context| {
                let _entered = attempt.span.enter();
                answering.as_mut().poll(context)
            })
            .await;
            // The provider has counted an answer also where a module could not read it.
            let mut counted = None;
            let settled = match answer {
                Ok(Answer::Whole(response)) => {
                    counted = response.original.is_unread().then(|| response.usage.clone());
                    let asked = attempt.started.as_ref().filter(|_| asked_by.is_some());
                    invoke.settled(response, asked).map(Answer::Whole)
                }
                answer => answer,
            };
            match settled {
                Ok(Answer::Whole(mut response)) => {
                    name_author(&mut response.content, &self.provider);
                    attempt.end(Ok(&response), None);
                    Ok(Answer::Whole(response))
                }
                Ok(Answer::Stream { head, events }) => Ok(self.watch(attempt, head, events, invoke.clone())),
                Err(error) => {
                    attempt.end(Err(&error), counted);
                    Err(error)
                }
            }
        })
    }
}

impl Upstream {
    async fn attempt(&self, call: &Call) -> Result<Answer, ErrorKind> {
        let branch = &call.branch;
        let mut request = call.request.clone();
        if let Some(options) = &self.options {
            request = request.change_options(|own| own.fill(options));
        }
        if let Some(provider) = &self.target {
            request = request.change_options(|options| fit::fit(options, provider, &self.model));
        }
        let sending = match branch.invoke.streamed {
            true => self.adapter.clone().stream(request).left_future(),
            false => self.adapter.clone().send(request).map_ok(Answer::from).right_future(),
        };
        // An adapter that panics must not end the asking instance, which serves other calls too.
        let sending = AssertUnwindSafe(sending).catch_unwind();
        tokio::select! {
            biased;
            () = branch.cancel.cancelled() => Err(branch.invoke.why_over()),
            sent = sending => sent.unwrap_or_else(|_| Err(panicked(&self.provider))),
        }
    }

    /// Ends the attempt when the events of its answer end or are dropped.
    fn watch(&self, attempt: ObservedAttempt, head: Box<Response>, events: EventStream, invoke: Arc<Invoke>) -> Answer {
        attempt.commit(&head);
        let events = AssertUnwindSafe(events).catch_unwind();
        let provider = self.provider.clone();
        let events = AttemptEvents { events, attempt: Some(attempt), counted: None, provider, invoke };
        Answer::Stream { head, events: events.boxed() }
    }
}

fn panicked(provider: &str) -> ErrorKind {
    ErrorKind::Other(Failure::new(provider, "the adapter panicked: this is a bug in the adapter"))
}

/// Notes who has signed the reasoning of an answer: no other provider can verify it.
fn name_author(content: &mut [ContentBlock], provider: &str) {
    for block in content {
        if let ContentBlock::Thinking(thinking) = block
            && (thinking.signature.is_some() || thinking.redacted.is_some())
        {
            thinking.provider.get_or_insert_with(|| provider.to_owned());
        }
    }
}

/// An attempt under way, in the trail and in its span. Dropped before its end, it was cut short.
struct ObservedAttempt {
    /// Absent once it has ended.
    started: Option<StartedAttempt>,
    span: Scope,
}

impl ObservedAttempt {
    /// The `traceparent` that the provider is sent. The span has the same numbers.
    fn traced(&self) -> Option<TraceParent> {
        let parent = self.started.as_ref()?.trace_parent()?;
        attempt_traced(&self.span, &parent);
        Some(parent)
    }

    fn commit(&self, head: &Response) {
        if let Some(started) = &self.started {
            started.commit(head);
        }
    }

    fn end(mut self, result: Result<&Response, &ErrorKind>, counted: Option<Usage>) {
        attempt_ended(&self.span, result);
        if let Some(started) = self.started.take() {
            started.end(result, counted);
        }
    }
}

impl Drop for ObservedAttempt {
    fn drop(&mut self) {
        if let Some(started) = &self.started {
            attempt_ended(&self.span, Err(&started.why_over()));
        }
    }
}

/// The events of an attempt with a streamed answer.
struct AttemptEvents {
    events: CatchUnwind<AssertUnwindSafe<EventStream>>,
    /// Absent once it has ended.
    attempt: Option<ObservedAttempt>,
    /// What the provider has counted so far.
    counted: Option<Usage>,
    provider: String,
    invoke: Arc<Invoke>,
}

impl Drop for AttemptEvents {
    fn drop(&mut self) {
        // An attempt that is cut short has cost what the provider has counted until then.
        if let (Some(attempt), Some(counted)) = (self.attempt.take(), self.counted.take()) {
            attempt.end(Err(&self.invoke.why_over()), Some(counted));
        }
    }
}

impl Stream for AttemptEvents {
    type Item = Result<Event, ErrorKind>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.attempt.is_none() {
            return Poll::Ready(None);
        }
        let mut event = match ready!(self.events.poll_next_unpin(context)) {
            // No module asks again for an answer that has begun.
            Some(Ok(Ok(Event::End(response)))) => self.invoke.settled(response, None).map(Event::End),
            Some(Ok(event)) => event,
            Some(Err(_)) => Err(panicked(&self.provider)),
            None => Err(without_end(&self.provider)),
        };
        match &mut event {
            Ok(Event::End(response)) => name_author(&mut response.content, &self.provider),
            Ok(Event::Block(block)) => name_author(std::slice::from_mut(block), &self.provider),
            _ => {}
        }
        let result = match &event {
            Ok(Event::End(response)) => Ok(&**response),
            Ok(Event::Usage(usage)) => {
                self.counted = Some(usage.clone());
                return Poll::Ready(Some(event));
            }
            Ok(_) => return Poll::Ready(Some(event)),
            Err(error) => Err(error),
        };
        let this = &mut *self;
        if let Some(attempt) = this.attempt.take() {
            attempt.end(result, this.counted.take());
        }
        Poll::Ready(Some(event))
    }
}
