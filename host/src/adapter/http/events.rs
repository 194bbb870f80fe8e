//! A streamed answer: reads the server-sent events of a body and turns them into [`Event`]s.
//!
//! It reads from the network only while it is polled. So a slow reader slows the server down, and only one chunk waits in
//! memory.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::time::timeout;

use crate::{
    adapter::{
        answer::{Answer, read_to_end},
        format::{
            beside::Beside,
            format::{EventReader, Progress},
            malformed::{Malformed, Unreadable},
            refusal,
            tool_names::ToolNames,
            verbatim::{self, Echo},
        },
        http::{
            asked::Asked,
            body::{Body, Flaw},
            failure,
            reader::{HttpAnswer, Reader},
            silence::Silence,
            sse::{self, SseDecoder, SseEvent, TooLong},
        },
    },
    chat::{error::ErrorKind, event::Event, response::Response},
};

/// How long the connection may take to end after the answer is complete. Only then can it be used again.
const DRAIN: Duration = Duration::from_secs(1);

/// The most bytes of an answer that may be invalid UTF-8: some servers cut characters. Each such byte becomes a character
/// of three bytes, so an answer of nothing else would grow to three times its size.
const MOST_INVALID: usize = 64 * 1024;

/// How many bytes of a body without events an error may show.
const SHOWN: usize = 1024;

/// The events of one answer.
pub(crate) struct Events {
    asked: Arc<Asked>,
    /// The head of the answer. Its body is the beginning of a body without events, or an event that cannot be read.
    answer: HttpAnswer,
    /// Absent once the answer is complete or has failed.
    body: Option<Body>,
    /// What has arrived and was not decoded.
    chunk: Bytes,
    decoder: SseDecoder,
    /// Whether there was any event.
    has_events: bool,
    /// Bytes so far that were invalid UTF-8.
    invalid: usize,
    events: Box<dyn EventReader>,
    names: ToolNames,
    /// Events that were decoded and not returned.
    ready: VecDeque<Event>,
    /// Set if the client gets the answer as the provider sends it.
    echo: Option<Echo>,
    /// Why an event could not be read that the client gets all the same, and what stands beside the content from then on.
    unread: Option<(ErrorKind, Beside)>,
    /// The error to return after the events in `ready`.
    failed: Option<ErrorKind>,
    /// Absent until the answer has begun: until then another limit holds.
    silence: Option<Silence>,
}

impl Events {
    pub(crate) fn new(asked: Arc<Asked>, answer: HttpAnswer, body: Body) -> Self {
        Self {
            events: asked.format().event_reader(&ToolNames::default(), Reader::new(&asked).budget()),
            names: ToolNames::default(),
            answer,
            body: Some(body),
            chunk: Bytes::new(),
            decoder: SseDecoder::new(asked.provider.max_event_bytes),
            has_events: false,
            invalid: 0,
            asked,
            ready: VecDeque::new(),
            echo: None,
            unread: None,
            failed: None,
            silence: None,
        }
    }

    /// Gives tools in namespaces these names.
    pub(crate) fn naming(mut self, names: ToolNames) -> Self {
        self.events = self.asked.format().event_reader(&names, self.reader().budget());
        Self { names, ..self }
    }

    /// Returns the provider's own events as well, each before what it says, if the client gets them.
    pub(crate) fn echoing(mut self: Box<Self>, echo: Option<Echo>) -> Box<Self> {
        self.echo = echo;
        self
    }

    /// Waits for the first content.
    pub(crate) async fn committed(mut self: Box<Self>) -> Result<Answer, ErrorKind> {
        // A server may send any number of counts before the first content. Each contains the one before it.
        let (mut before, mut usage) = (VecDeque::new(), None);
        while let Some(event) = self.next().await {
            match event? {
                original @ (Event::Original(_) | Event::Rewritten(_)) => before.push_back(original),
                counts @ Event::Usage(_) => usage = Some(counts),
                content => {
                    self.ready.push_front(content);
                    break;
                }
            }
        }
        before.extend(usage);
        before.append(&mut self.ready);
        self.ready = before;
        self.silence = Some(Silence::new(self.asked.provider.idle_timeout));
        let head = Box::new(self.reader().head(&self.answer));
        Ok(Answer::Stream { head, events: Box::into_pin(self) })
    }

    /// Waits for the complete answer.
    pub(crate) async fn whole(mut self) -> Result<Response, ErrorKind> {
        let response = read_to_end(&mut self).await?;
        response.ok_or_else(|| self.reader().cut_short())
    }

    fn reader(&self) -> Reader<'_> {
        Reader::new(&self.asked).naming(&self.names)
    }

    /// Reads until there is an event to return, or the answer ends.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ErrorKind>> {
        loop {
            if self.decode()? {
                return Poll::Ready(Ok(()));
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            let Poll::Ready(more) = body.poll_next(context) else {
                let Some(silence) = &mut self.silence else { return Poll::Pending };
                ready!(silence.poll(context));
                return Poll::Ready(Err(failure::idle(&self.asked.provider)));
            };
            if let Some(silence) = &mut self.silence {
                silence.end();
            }
            match more {
                Ok(Some(chunk)) => {
                    self.keep_beginning(&chunk);
                    self.chunk = chunk;
                }
                Ok(None) => return Poll::Ready(self.decode_last()),
                Err(Flaw::Broken(error)) => return Poll::Ready(Err(error)),
                Err(Flaw::Unreadable(flaw)) => return Poll::Ready(Err(self.parse_error(&flaw))),
            }
        }
    }

    /// Decodes the chunk up to the next event to return. Returns whether there is one.
    fn decode(&mut self) -> Result<bool, ErrorKind> {
        while self.ready.is_empty() {
            match self.decoder.next(&mut self.chunk) {
                Ok(Some(event)) => self.read_event(event)?,
                Ok(None) => return Ok(false),
                Err(TooLong) => return Err(self.parse_error(&self.too_long())),
            }
        }
        Ok(true)
    }

    fn keep_beginning(&mut self, chunk: &[u8]) {
        let room = if self.has_events { 0 } else { SHOWN.saturating_sub(self.answer.body.len()) };
        self.answer.body.extend(chunk.iter().take(room));
    }

    fn read_event(&mut self, event: SseEvent) -> Result<(), ErrorKind> {
        // Some servers send events without content to keep the connection open.
        if event.data.trim_ascii().is_empty() && !event.is_error() {
            return Ok(());
        }
        if event.is_bare {
            return match refusal::of_line(&event.data, &self.reader().budget()) {
                Some(error) => Err(self.reader().unreadable(&self.answer, error)),
                None => Ok(()),
            };
        }
        self.has_events = true;
        self.answer.body = Vec::new();
        let is_error = event.is_error();
        let data = self.text(event.data)?;
        let budget = self.reader().budget();
        let read = match (is_error, &mut self.unread) {
            (true, _) => Err(refusal::of_event(&data, &budget)),
            (false, Some((_, beside))) => beside.read_event(&event.name, &data, &budget),
            (false, None) => self.events.read(&event.name, &data, &mut self.ready),
        };
        let read = read.or_else(|unreadable| self.pass_on(unreadable, &event.name, &data));
        match read {
            Ok(Progress::More) => {
                let length = if self.unread.is_some() { Some(0) } else { self.piece_length() };
                if let (Some(length), Some(body)) = (length, &mut self.body) {
                    body.give_back(data.len().saturating_sub(length));
                }
                self.echo_event(&event.name, data);
                Ok(())
            }
            Ok(Progress::CutShort) => Err(self.reader().without_reason()),
            Ok(Progress::End) => {
                self.end()?;
                self.echo_last(&event.name, data);
                Ok(())
            }
            Err(unreadable) => {
                self.answer.body = data.into_bytes();
                Err(self.reader().unreadable(&self.answer, unreadable))
            }
        }
    }

    /// Puts the provider's own event before what it says.
    fn echo_event(&mut self, name: &str, data: String) {
        let Some(Echo { hides_usage, is_rewritten }) = self.echo else { return };
        let counts = self.ready.iter().any(|event| matches!(event, Event::Usage(_)));
        // Some servers send `null` or `"ping"` to keep the connection open.
        if !data.trim_ascii_start().starts_with('{') || hides_usage && counts && verbatim::is_usage_alone(&data) {
            return;
        }
        if let Some(data) = verbatim::readable(data.into_bytes()) {
            let original = sse::framed(name, &data);
            self.ready.push_front(if is_rewritten { Event::Rewritten(original) } else { Event::Original(original) });
        }
    }

    /// Puts the last event before the end. It is the format's own where the provider sends none that a client knows.
    fn echo_last(&mut self, name: &str, data: String) {
        match self.asked.format().closing_event() {
            closing
                if self.echo.is_some_and(|echo| !echo.is_rewritten)
                    && !closing.is_empty()
                    && !data.trim_ascii_start().starts_with('{') =>
            {
                let end = self.ready.pop_back();
                self.ready.push_back(Event::Original(Bytes::from_static(closing.as_bytes())));
                self.ready.extend(end);
            }
            _ => self.echo_event(name, data),
        }
    }

    /// Returns the whole answer as the last event.
    fn end(&mut self) -> Result<(), ErrorKind> {
        let whole = self.events.body();
        let response = self.response(&whole)?;
        self.ready.push_back(Event::End(Box::new(response)));
        if let Some(body) = self.body.take() {
            tokio::spawn(timeout(DRAIN, drain(body)));
        }
        Ok(())
    }

    /// The data as text, in which a replacement character stands for what is not UTF-8.
    fn text(&mut self, data: Vec<u8>) -> Result<String, ErrorKind> {
        String::from_utf8(data).or_else(|error| {
            let data = error.as_bytes();
            self.invalid += data.utf8_chunks().map(|chunk| chunk.invalid().len()).sum::<usize>();
            if self.invalid > MOST_INVALID {
                return Err(self.parse_error("the events are not UTF-8"));
            }
            Ok(String::from_utf8_lossy(data).into_owned())
        })
    }

    /// The length of the only event that was decoded, if it is a piece of content.
    fn piece_length(&self) -> Option<usize> {
        let mut ready = self.ready.iter();
        match (ready.next(), ready.next()) {
            (Some(Event::Text(piece) | Event::Thinking(piece) | Event::ToolArguments { json: piece, .. }), None) => {
                Some(piece.len())
            }
            _ => None,
        }
    }

    /// Handles the end of the body. If the framing says that the body is complete, the answer is, too, once it has said why it
    /// ended. Otherwise it was cut.
    fn decode_last(&mut self) -> Result<(), ErrorKind> {
        // The empty line after the last event may be missing.
        self.chunk = Bytes::from_static(b"\n\n");
        // An incomplete event is part of what was cut. An event that holds an error was complete.
        let is_cut = match self.decode() {
            Err(error @ ErrorKind::Api(_)) => return Err(error),
            last => last.is_err(),
        };
        if self.body.is_none() {
            return Ok(());
        }
        if !self.answer.framed {
            return Err(self.reader().cut_short());
        }
        if !self.has_events {
            let none = Malformed("the stream has no events".to_owned());
            return Err(self.reader().unreadable(&self.answer, Unreadable::NoAnswer(none)));
        }
        match self.progress_at_end() {
            Ok(Progress::End) => {
                self.end()?;
                self.echo_last("", String::new());
                Ok(())
            }
            Ok(Progress::More | Progress::CutShort) if !is_cut && !self.events.has_begun() => {
                let none = Malformed("the stream has no event of the format of this provider".to_owned());
                Err(self.reader().unreadable(&self.answer, Unreadable::NoAnswer(none)))
            }
            Ok(Progress::More | Progress::CutShort) => Err(self.reader().cut_short()),
            Err(unreadable) => Err(self.reader().unreadable(&self.answer, unreadable)),
        }
    }

    fn parse_error(&self, what: &str) -> ErrorKind {
        self.reader().parse_error(&self.answer, what)
    }

    fn too_long(&self) -> String {
        let provider = &self.asked.provider;
        let mebibytes = provider.max_event_bytes as f64 / (1024.0 * 1024.0);
        format!("an event is longer than {mebibytes} MiB (providers.{}.max_event_mb)", provider.name)
    }
}

impl Stream for Events {
    type Item = Result<Event, ErrorKind>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.ready.is_empty()
            && this.body.is_some()
            && let Err(error) = ready!(this.poll(context))
        {
            this.body = None;
            this.failed = Some(error);
        }
        Poll::Ready(this.ready.pop_front().map(Ok).or_else(|| this.failed.take().map(Err)))
    }
}

/// Reads a body to its end. A complete answer is only a few bytes away from it.
async fn drain(mut body: Body) {
    while let Ok(Some(_)) = poll_fn(|context| body.poll_next(context)).await {}
}

#[cfg(test)]
mod tests;
mod unread;
