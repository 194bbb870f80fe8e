//! The body of a streamed answer.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use arcllm::{Attempt, Error, Event, ResponseStream};
use bytes::Bytes;
use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    client::client::EventWriter,
    gateway::{caller::CallNote, gateway::LoadedModel},
};

/// After this silence the client gets something that says nothing. The head is not kept back longer either.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// Events that are ready at once are sent at once, up to so many bytes.
const CHUNK: usize = 16 * 1024;

/// After so many polls without an event, what is written is sent. The connection to the provider hands over one event each time
/// that it runs, and hyper polls a body twice before it lets others run.
const QUIET_POLLS: u32 = 2;

/// The events of an answer, written in the client's format.
pub(crate) struct AnswerBody {
    /// What is written and not sent.
    out: Vec<u8>,
    /// Polls since the last event.
    quiet_polls: u32,
    /// Absent once the answer has ended.
    events: Option<ResponseStream>,
    writer: Box<dyn EventWriter>,
    has_begun: bool,
    /// Whether the provider's own events are sent. Then the writer writes only what the gateway says itself.
    is_original: bool,
    /// Whether the answer ended without its end. Then the connection is cut, so that no client takes the answer as whole.
    is_cut: bool,
    model: LoadedModel,
    /// Absent once the answer has ended.
    note: Option<CallNote>,
    silence: Pin<Box<Sleep>>,
    /// Ready when the server ends.
    ending: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AnswerBody {
    pub(crate) fn new(
        events: ResponseStream,
        writer: Box<dyn EventWriter>,
        model: LoadedModel,
        note: CallNote,
        ending: CancellationToken,
    ) -> Self {
        let (silence, ending) = (Box::pin(sleep(SILENCE)), Box::pin(ending.cancelled_owned()));
        Self {
            out: Vec::new(),
            quiet_polls: 0,
            events: Some(events),
            writer,
            has_begun: false,
            is_original: false,
            is_cut: false,
            model,
            note: Some(note),
            silence,
            ending,
        }
    }

    /// Waits for the first event. `None` after a long silence.
    pub(crate) async fn first(&mut self) -> Option<Result<Event, Error>> {
        let events = self.events.as_mut()?;
        tokio::select! {
            biased;
            event = timeout(SILENCE, events.next()) => event.ok().flatten(),
            () = &mut self.ending => events.stop().map(Err),
        }
    }

    /// The attempts so far, until the answer has ended.
    pub(crate) fn trail(&self) -> Vec<Attempt> {
        self.events.as_ref().map(ResponseStream::trail).unwrap_or_default()
    }

    /// Ends an answer that is cut off, since the server ends.
    fn cut_off(&mut self) {
        if let Some(error) = self.events.as_mut().and_then(ResponseStream::stop) {
            self.failed(&error);
            self.writer.fail(&self.model.problem(&error), &mut self.out);
        }
    }

    /// Notes that the call has failed.
    pub(crate) fn failed(&mut self, error: &Error) {
        self.events = None;
        self.note.take().into_iter().for_each(|note| note.failed(error));
    }

    /// Writes something for a client that waits.
    pub(crate) fn keep_alive(&mut self) {
        self.writer.keep_alive(&mut self.out);
    }

    /// Writes an event.
    pub(crate) fn write(&mut self, event: Event) {
        if let Event::Original(bytes) = &event {
            self.is_original = true;
            self.writer.original(bytes, &mut self.out);
            return;
        }
        if !self.is_original {
            if !std::mem::replace(&mut self.has_begun, true) {
                self.writer.begin(&mut self.out);
            }
            self.writer.event(&event, &mut self.out);
        }
        if let Event::End(response) = &event {
            self.events = None;
            self.note.take().into_iter().for_each(|note| note.answered(response));
        }
    }

    /// Writes the events that are ready. Whether more may be on their way: events that come together are sent together, since a
    /// write for each costs more than all else.
    fn may_grow(&mut self, context: &mut Context<'_>) -> bool {
        let before = self.out.len();
        self.poll_events(context);
        self.quiet_polls = if self.out.len() > before { 0 } else { self.quiet_polls.saturating_add(1) };
        let is_waiting = !self.out.is_empty() && self.out.len() < CHUNK && self.events.is_some();
        is_waiting && self.quiet_polls < QUIET_POLLS
    }

    /// Writes the events that are ready.
    fn poll_events(&mut self, context: &mut Context<'_>) {
        while let Some(events) = &mut self.events
            && self.out.len() < CHUNK
        {
            let Poll::Ready(event) = events.poll_next_unpin(context) else { return };
            match event {
                Some(Ok(event)) => self.write(event),
                Some(Err(error)) => {
                    self.failed(&error);
                    self.writer.fail(&self.model.problem(&error), &mut self.out);
                }
                None => {
                    self.events = None;
                    self.is_cut = true;
                }
            }
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let (Some(note), Some(mut events)) = (self.note.take(), self.events.take()) {
            note.left(events.stop());
        }
    }
}

impl Stream for AnswerBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.may_grow(context) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.out.is_empty() && this.events.is_some() && this.ending.poll_unpin(context).is_ready() {
            this.cut_off();
        }
        if this.out.is_empty() && this.events.is_some() {
            if this.silence.poll_unpin(context).is_pending() {
                return Poll::Pending;
            }
            this.keep_alive();
        }
        if this.out.is_empty() {
            let cut = std::mem::take(&mut this.is_cut);
            return Poll::Ready(cut.then(|| Err(io::ErrorKind::UnexpectedEof.into())));
        }
        this.silence.as_mut().reset(Instant::now() + SILENCE);
        Poll::Ready(Some(Ok(std::mem::take(&mut this.out).into())))
    }
}
