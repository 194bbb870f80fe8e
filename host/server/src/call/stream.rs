//! The body of a streamed answer.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use arcllm::{ContentBlock, Error, Event, ResponseStream};
use bytes::Bytes;
use futures::{FutureExt as _, Stream, StreamExt as _};
use serde_json::Value;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    call::call_head::Tried,
    client::{
        client::{ClientFormat, EventWriter},
        kept::{Keeper, write_events},
        refusal::is_refusal,
        sse,
        tool_ids::StreamedToolIds,
    },
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
    format: &'static dyn ClientFormat,
    writer: Box<dyn EventWriter>,
    /// Set if a module has read the provider's own events and written others.
    keeper: Option<Box<dyn Keeper>>,
    /// Makes the ids of calls fit where the provider speaks another format.
    ids: StreamedToolIds,
    has_begun: bool,
    /// A piece of text that the next event may call a refusal.
    said: Option<String>,
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
        format: &'static dyn ClientFormat,
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
            format,
            writer,
            keeper: None,
            ids: StreamedToolIds::new(format.wire()),
            has_begun: false,
            said: None,
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

    /// What was tried so far, until the answer has ended.
    pub(crate) fn tried(&self) -> Tried {
        let so_far = |events: &ResponseStream| Tried { trail: events.trail(), notes: events.notes() };
        self.events.as_ref().map(so_far).unwrap_or_default()
    }

    /// Ends an answer that is cut off, since the server ends.
    fn cut_off(&mut self) {
        if let Some(error) = self.events.as_mut().and_then(ResponseStream::stop) {
            self.write_said();
            self.failed(&error);
            let problem = self.model.problem(&error);
            self.write_with(|writer, out| writer.fail(&problem, out));
        }
    }

    /// Notes that the call has failed.
    pub(crate) fn failed(&mut self, error: &Error) {
        self.events = None;
        self.note.take().into_iter().for_each(|note| note.failed(error));
    }

    /// Writes something for a client that waits.
    pub(crate) fn keep_alive(&mut self) {
        self.write_with(|writer, out| writer.keep_alive(out));
    }

    /// Writes something, with what only the provider knows.
    fn write_with(&mut self, write: impl FnOnce(&mut dyn EventWriter, &mut Vec<u8>)) {
        match &mut self.keeper {
            None => write(&mut *self.writer, &mut self.out),
            Some(keeper) => {
                let mut written = Vec::new();
                write(&mut *self.writer, &mut written);
                write_events(&mut **keeper, &written, &mut self.out);
            }
        }
    }

    /// Reads an event of the provider that a module has read. What the gateway writes stands for it.
    fn read(&mut self, original: &[u8]) {
        if self.keeper.as_mut().is_some_and(|keeper| keeper.read_text(original)) {
            return;
        }
        let Some(event) = sse::data(original).filter(Value::is_object) else { return };
        self.writer.rewritten(&event);
        let keeper = self.keeper.get_or_insert_with(|| self.format.keeper());
        keeper.read(sse::name(original), event, &mut self.out);
    }

    /// Writes an event. A refusal comes as a text and, at once, as a block that says what it is: only the block is written.
    pub(crate) fn write(&mut self, event: Event) {
        let said = self.said.take();
        match (said, event) {
            (None, Event::Text(text)) => self.said = Some(text),
            (Some(said), Event::Block(ContentBlock::Text(text))) if text.text == said && is_refusal(&text) => {
                self.write_now(Event::Block(ContentBlock::Text(text)));
            }
            (said, event) => {
                said.into_iter().for_each(|said| self.write_now(Event::Text(said)));
                match event {
                    Event::Text(text) => self.said = Some(text),
                    event => self.write_now(event),
                }
            }
        }
    }

    fn write_now(&mut self, event: Event) {
        if let Event::Original(bytes) = &event {
            self.is_original = true;
            self.writer.original(bytes, &mut self.out);
            return;
        }
        if let Event::Rewritten(bytes) = &event {
            return self.read(bytes);
        }
        let event = if self.is_original || self.keeper.is_some() { event } else { self.ids.event(event) };
        if !self.is_original {
            let begins = !std::mem::replace(&mut self.has_begun, true);
            if let (Event::Text(piece), Some(keeper), false) = (&event, &mut self.keeper, begins)
                && keeper.passes(piece)
            {
                return self.writer.event(&event, &mut self.out);
            }
            self.write_with(|writer, out| {
                if begins {
                    writer.begin(out);
                }
                writer.event(&event, out);
            });
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
            let Poll::Ready(event) = events.poll_next_unpin(context) else { return self.write_said() };
            match event {
                Some(Ok(event)) => self.write(event),
                Some(Err(error)) => {
                    self.write_said();
                    self.failed(&error);
                    let problem = self.model.problem(&error);
                    self.write_with(|writer, out| writer.fail(&problem, out));
                }
                None => {
                    self.write_said();
                    self.events = None;
                    self.is_cut = true;
                }
            }
        }
        self.write_said();
    }

    /// Writes the text that nothing has followed.
    fn write_said(&mut self) {
        self.said.take().into_iter().for_each(|said| self.write_now(Event::Text(said)));
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
