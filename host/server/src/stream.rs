//! The body of a streamed answer.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use arcllm::{Event, Model, ResponseStream};
use bytes::Bytes;
use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    call::{SILENCE, problem_of},
    client::EventWriter,
    page::call_note::CallNote,
};

/// Events that are ready at once are sent at once, up to so many bytes.
const CHUNK: usize = 16 * 1024;

/// The events of an answer, written in the client's format.
pub(crate) struct AnswerBody {
    /// What is written and not sent.
    out: Vec<u8>,
    /// Absent once the answer has ended.
    events: Option<ResponseStream>,
    writer: Box<dyn EventWriter>,
    model: Model,
    /// Absent once the answer has ended.
    note: Option<CallNote>,
    silence: Pin<Box<Sleep>>,
}

impl AnswerBody {
    /// A body that begins with `out`.
    pub(crate) fn new(
        out: Vec<u8>,
        events: ResponseStream,
        writer: Box<dyn EventWriter>,
        model: Model,
        note: Option<CallNote>,
    ) -> Self {
        Self { out, events: Some(events), writer, model, note, silence: Box::pin(sleep(SILENCE)) }
    }

    /// Writes the events that are ready.
    fn poll_events(&mut self, context: &mut Context<'_>) {
        while let Some(events) = &mut self.events
            && self.out.len() < CHUNK
        {
            let Poll::Ready(event) = events.poll_next_unpin(context) else { return };
            match event {
                Some(Ok(event)) => {
                    self.writer.event(&event, &mut self.out);
                    if let Event::End(response) = &event {
                        self.events = None;
                        self.note.take().into_iter().for_each(|note| note.answered(response));
                    }
                }
                Some(Err(error)) => {
                    self.note.take().into_iter().for_each(|note| note.failed(&error));
                    self.writer.fail(&problem_of(&self.model, &error), &mut self.out);
                    self.events = None;
                }
                None => self.events = None,
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
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.poll_events(context);
        if this.out.is_empty() && this.events.is_some() {
            if this.silence.poll_unpin(context).is_pending() {
                return Poll::Pending;
            }
            this.writer.keep_alive(&mut this.out);
        }
        if this.out.is_empty() {
            return Poll::Ready(None);
        }
        this.silence.as_mut().reset(Instant::now() + SILENCE);
        Poll::Ready(Some(Ok(std::mem::take(&mut this.out).into())))
    }
}
