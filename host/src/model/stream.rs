//! A streamed answer, as an agent reads it.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture};
use tokio::time::{Sleep, sleep_until};

use crate::{
    adapter::answer::{EventStream, read_to_end, without_end},
    call::{invoke::Invoke, stop::AnswerFuture},
    chat::{
        error::{Error, ErrorKind},
        event::Event,
        message::Message,
        note::Note,
        received::Received,
        request::Request,
        response::Response,
        tool::Tool,
        trail::Attempt,
    },
    model::model::{Model, StartedCall, time_out},
};

/// How many events may come at once before the deadline is checked again.
const UNCHECKED: u32 = 64;

/// A streamed answer: a stream of [`Event`]s. The last item is [`Event::End`] with the whole answer, or an error.
///
/// An error before the first event is an ordinary error of the call: modules may have retried it. An error after the
/// first event ends the answer. It has the trail, and [what had arrived](Error::received).
///
/// Nothing is sent before the first poll. Dropping the stream cancels the call and closes its connection. The deadline
/// is only checked while the stream is polled: drop a stream that you stop reading, or its connection stays open.
///
/// ```no_run
/// use arcllm::{Event, Message, Model};
/// use futures::StreamExt;
///
/// # async fn agent(model: Model) -> Result<(), arcllm::Error> {
/// let mut answer = model.stream(&[Message::user("What is a monad?")], &[]);
/// while let Some(event) = answer.next().await {
///     match event? {
///         Event::Text(piece) => print!("{piece}"),
///         Event::ToolUseEnd { call, .. } => println!("{} is to be called", call.name),
///         Event::End(response) => println!("\n{} tokens", response.usage.total_tokens),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent until it is polled"]
pub struct ResponseStream {
    /// Absent once the stream has ended.
    running: Option<RunningStream>,
    /// Why the call did not begin, until it is reported.
    failed: Option<Error>,
    /// Which events the agent gets.
    shown: Shown,
    /// Boxed, since an agent may hold many streams that have not begun.
    received: Box<Received>,
}

impl Model {
    /// Invokes the model for a streamed answer, with every option at its default.
    ///
    /// Dropping the stream cancels the call: nothing more is sent, and its connection is closed.
    pub fn stream(&self, messages: &[Message], tools: &[Tool]) -> ResponseStream {
        self.stream_with(Request::new(messages).with_tools(tools))
    }

    /// Invokes the model for a streamed answer, with options. Takes a [`Request`], or an `Arc` of one to invoke it more
    /// than once.
    pub fn stream_with(&self, request: impl Into<Arc<Request>>) -> ResponseStream {
        match self.start(request.into(), true) {
            Ok((started, answering)) => ResponseStream::new(started, answering),
            Err(error) => ResponseStream::failed(error),
        }
    }
}

/// Which events of an answer the agent gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Those that are the same for every provider.
    Common,
    /// Those of the provider, if the first event is one.
    OriginalIfAny,
    /// Those of the provider.
    Original,
    /// Those that a module has written, and those of the provider that it has read.
    Rewritten,
}

impl Shown {
    /// Whether the agent gets this event.
    fn shows(&mut self, event: &Event) -> bool {
        let is_original = matches!(event, Event::Original(_));
        if *self == Shown::OriginalIfAny {
            *self = if is_original { Shown::Original } else { Shown::Rewritten };
        }
        match self {
            Shown::Common | Shown::OriginalIfAny => !is_original && !matches!(event, Event::Rewritten(_)),
            Shown::Original => is_original,
            Shown::Rewritten => !is_original,
        }
    }
}

/// A call under way, and where its events come from.
struct RunningStream {
    call: StartedCall,
    source: EventSource,
    unchecked: u32,
}

enum EventSource {
    /// The chain is asked. The second future ends when the call has taken too long.
    Asking(AnswerFuture, BoxFuture<'static, ()>),
    /// The answer is coming. The timer is the deadline.
    Reading(EventStream, Option<Pin<Box<Sleep>>>),
}

impl ResponseStream {
    pub(crate) fn new(call: StartedCall, answering: AnswerFuture) -> Self {
        let timing_out = time_out(call.invoke.clone(), call.cancel.clone()).boxed();
        let running = RunningStream { call, source: EventSource::Asking(answering, timing_out), unchecked: 0 };
        Self { running: Some(running), failed: None, shown: Shown::Common, received: Box::default() }
    }

    pub(crate) fn failed(error: Error) -> Self {
        Self { running: None, failed: Some(error), shown: Shown::Common, received: Box::default() }
    }

    /// Asks for the provider's own events, before the first poll. They come as [`Event::Original`], and the whole answer as
    /// the last event: where the request was sent with its [original](crate::Request::with_original), and no module writes the
    /// answer. Otherwise the usual events come, and if a module has read the provider's and written the answer anew, those stand
    /// before them as [`Event::Rewritten`]. Which it is holds for the whole stream: the first event tells.
    ///
    /// The provider's closing events, such as `[DONE]`, come only if the answer is whole, and its event for an error never
    /// comes: the stream ends with the error.
    pub fn with_originals(mut self) -> Self {
        self.shown = Shown::OriginalIfAny;
        self
    }

    /// The attempts so far, until the stream has ended: then the answer or the error has them. Once an event has come, one that
    /// is [`Ok`](crate::Outcome::Ok) is being answered.
    pub fn trail(&self) -> Vec<Attempt> {
        self.running.as_ref().map(|running| running.call.invoke.trail_so_far()).unwrap_or_default()
    }

    /// What modules have remarked so far, until the stream has ended: then the answer or the error has it.
    pub fn notes(&self) -> Vec<Note> {
        self.running.as_ref().map(|running| running.call.invoke.notes_so_far()).unwrap_or_default()
    }

    /// Reads the whole answer, as [`Model::invoke`](crate::Model::invoke) returns it.
    ///
    /// # Errors
    ///
    /// Why there is no answer, with the trail of attempts and what had arrived.
    pub async fn collect(mut self) -> Result<Response, Error> {
        // There is no response if the stream had ended before.
        read_to_end(&mut self).await?.ok_or_else(|| ErrorKind::Cancelled.into())
    }

    /// Gives up the answer. Returns the error [`Cancelled`](ErrorKind::Cancelled) with the trail and what had arrived,
    /// or `None` if the stream had ended.
    pub fn stop(&mut self) -> Option<Error> {
        self.running.is_some().then(|| self.end_with(ErrorKind::Cancelled))
    }

    /// Ends the call with an error.
    fn end_with(&mut self, kind: ErrorKind) -> Error {
        let received = std::mem::take(&mut self.received).content();
        let Some(RunningStream { call, source, .. }) = self.running.take() else { return kind.into() };
        // First, so that the attempt that it holds ends in the trail.
        drop(source);
        call.failed(kind, received)
    }

    /// Ends the call with its answer.
    fn end(&mut self, mut response: Box<Response>) -> Event {
        if let Some(RunningStream { call, .. }) = self.running.take() {
            *response = call.answered(*response);
        }
        Event::End(response)
    }
}

impl Stream for ResponseStream {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            let Some(running) = &mut self.running else { return Poll::Ready(None) };
            let event = match ready!(running.poll_next(context)) {
                Ok(Event::End(response)) => Ok(self.end(response)),
                Ok(event) => {
                    self.received.add(&event);
                    if !self.shown.shows(&event) {
                        continue;
                    }
                    Ok(event)
                }
                Err(kind) => Err(self.end_with(kind)),
            };
            return Poll::Ready(Some(event));
        }
    }
}

impl RunningStream {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Event, ErrorKind>> {
        let event = ready!(self.poll_source(context));
        // One attempt too many ends the call, even if a module handles the error.
        Poll::Ready(self.call.invoke.exceeded().map_or(event, Err))
    }

    fn poll_source(&mut self, context: &mut Context<'_>) -> Poll<Result<Event, ErrorKind>> {
        loop {
            match &mut self.source {
                EventSource::Asking(answering, timing_out) => match answering.poll_unpin(context) {
                    Poll::Ready(Ok(answer)) => {
                        self.call.committed();
                        let deadline = self.call.invoke.deadline().map(|deadline| Box::pin(sleep_until(deadline)));
                        self.source = EventSource::Reading(answer.events(), deadline);
                        continue;
                    }
                    Poll::Ready(Err(kind)) => return Poll::Ready(Err(kind)),
                    Poll::Pending => ready!(timing_out.poll_unpin(context)),
                },
                EventSource::Reading(events, deadline) => match events.poll_next_unpin(context) {
                    Poll::Ready(_) if is_late(&mut self.unchecked, &self.call.invoke) => {
                        return Poll::Ready(Err(ErrorKind::DeadlineExceeded));
                    }
                    Poll::Ready(Some(event)) => return Poll::Ready(event),
                    Poll::Ready(None) => return Poll::Ready(Err(without_end(""))),
                    // A module may still ask while it writes its answer.
                    Poll::Pending if self.call.invoke.poll_exceeded(context).is_ready() => {
                        return Poll::Ready(Err(self.call.invoke.why_over()));
                    }
                    Poll::Pending => match deadline {
                        Some(deadline) => ready!(deadline.poll_unpin(context)),
                        None => return Poll::Pending,
                    },
                },
            }
            return Poll::Ready(Err(ErrorKind::DeadlineExceeded));
        }
    }
}

/// Whether the deadline has passed. Checks it now and then, since events that never pause would outrun the timer.
fn is_late(unchecked: &mut u32, invoke: &Invoke) -> bool {
    *unchecked = (*unchecked + 1) % UNCHECKED;
    *unchecked == 0 && invoke.remaining().is_some_and(|remaining| remaining.is_zero())
}

impl fmt::Debug for ResponseStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ResponseStream").finish_non_exhaustive()
    }
}
