//! An answer in server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), from the bytes of
//! its body to what it says.
//!
//! Nothing is read ahead of whoever reads the events, so that a slow reader slows the server down and holds no more than
//! what has come in one piece.

use std::{
    collections::VecDeque,
    future::poll_fn,
    num::NonZeroUsize,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use sse_core::{MessageEvent, SseDecoder, SseEvent};
use tokio::time::{Instant, timeout};

use crate::{
    adapter::{
        answer::Answer,
        format::format::{Heard, Listen},
        http::{
            body::{Body, Flaw},
            failure,
            garbled::Garbled,
            http_adapter::HttpAdapter,
            reader::HttpAnswer,
        },
        timer::Timer,
    },
    chat::{error::ErrorKind, event::Event, response::Response},
};

/// How long a connection is waited for to end after an answer that is whole, so that it can be used again.
const DRAIN: Duration = Duration::from_secs(1);

/// How long one looks once more before nothing is said to have come: a thread that was held up hears of its timers and of
/// its connections at the same time.
const SECOND_LOOK: Duration = Duration::from_millis(10);

/// From how many bytes on an event is large: none that is a piece of an answer.
const LARGE: usize = 64 * 1024;

/// What an answer says, as it comes.
pub(crate) struct Events {
    adapter: Arc<HttpAdapter>,
    /// Without its body.
    answer: HttpAnswer,
    /// Absent once it is over.
    body: Option<Body>,
    /// What has come of it, and was not read.
    chunk: Bytes,
    decoder: SseDecoder,
    garbled: Garbled,
    listener: Box<dyn Listen>,
    /// What was said, and not handed on.
    said: VecDeque<Event>,
    /// Why there is no more, once that is so, for after what was said.
    failed: Option<ErrorKind>,
    quiet: Quiet,
}

/// For how long nothing has come, once the answer has begun.
#[derive(Default)]
struct Quiet {
    since: Option<Instant>,
    timer: Option<Timer>,
    /// The moment since which it was too long at the first look.
    doubted: Option<Instant>,
}

impl Events {
    pub(crate) fn new(adapter: Arc<HttpAdapter>, answer: HttpAnswer, body: Body) -> Self {
        Self {
            listener: adapter.format().listen(adapter.reader().room()),
            answer,
            body: Some(body),
            chunk: Bytes::new(),
            decoder: decoder(&adapter),
            garbled: Garbled::default(),
            adapter,
            said: VecDeque::new(),
            failed: None,
            quiet: Quiet::default(),
        }
    }

    /// The answer, once it has begun to say something.
    pub(crate) async fn committed(mut self) -> Result<Answer, ErrorKind> {
        // Each says all of the tokens so far. A server may send any number of them before it says something.
        let mut tokens = None;
        while let Some(event) = self.next().await {
            let event = event?;
            if event.is_content() {
                self.said.push_front(event);
                break;
            }
            tokens = Some(event);
        }
        if let Some(tokens) = tokens {
            self.said.push_front(tokens);
        }
        self.quiet.since = Some(Instant::now());
        let head = Box::new(self.adapter.reader().head(&self.answer));
        Ok(Answer::Stream { head, events: self.boxed() })
    }

    /// All of the answer.
    pub(crate) async fn whole(mut self) -> Result<Response, ErrorKind> {
        while let Some(event) = self.next().await {
            if let Event::End(response) = event? {
                return Ok(*response);
            }
        }
        Err(self.adapter.reader().cut_short())
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ErrorKind>> {
        loop {
            if self.hear()? {
                return Poll::Ready(Ok(()));
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            let Poll::Ready(more) = body.poll_next(context) else {
                return self
                    .quiet
                    .poll(context, self.adapter.provider.idle_timeout)
                    .map(|()| Err(failure::idle(&self.adapter.provider)));
            };
            if let Some(since) = &mut self.quiet.since {
                *since = Instant::now();
            }
            match more {
                Ok(Some(chunk)) => {
                    if self.garbled.exceeds(&chunk) {
                        let what = "the events are not UTF-8";
                        return Poll::Ready(Err(self.adapter.reader().parse_error(&self.answer, what)));
                    }
                    self.chunk = chunk;
                }
                Ok(None) => return Poll::Ready(self.hear_the_last()),
                Err(Flaw::Broken(error)) => return Poll::Ready(Err(error)),
                Err(Flaw::Unreadable(flaw)) => {
                    return Poll::Ready(Err(self.adapter.reader().parse_error(&self.answer, &flaw)));
                }
            }
        }
    }

    /// Reads what has come, up to the next event that says something. Tells whether there was one.
    fn hear(&mut self) -> Result<bool, ErrorKind> {
        while let Some(event) = self.decoder.next(&mut self.chunk) {
            match event {
                Ok(SseEvent::Message(MessageEvent { mut data, .. })) => {
                    if data.capacity() > LARGE {
                        // The decoder has made room for as much again.
                        self.decoder = decoder(&self.adapter);
                        data.shrink_to_fit();
                    }
                    self.hear_event(&data)?;
                }
                Ok(SseEvent::Retry(_)) => {}
                Err(_) => return Err(self.adapter.reader().parse_error(&self.answer, &self.too_long())),
            }
            if !self.said.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn hear_event(&mut self, data: &str) -> Result<(), ErrorKind> {
        match self.listener.hear(data, &mut self.said) {
            Ok(Heard::More) => {
                if let (Some(length), Some(body)) = (self.piece_length(), &mut self.body) {
                    body.give_back(data.len().saturating_sub(length));
                }
                Ok(())
            }
            Ok(Heard::Short) => Err(self.adapter.reader().cut_short()),
            Ok(Heard::End) => {
                let whole = self.listener.body();
                let response = self.adapter.reader().read_body(&self.answer, &whole)?;
                self.said.push_back(Event::End(Box::new(response)));
                if let Some(body) = self.body.take() {
                    tokio::spawn(timeout(DRAIN, drain(body)));
                }
                Ok(())
            }
            Err(unreadable) => {
                self.answer.body = data.into();
                Err(self.adapter.reader().unreadable(&self.answer, unreadable))
            }
        }
    }

    /// The length of what was said, if that is a piece and nothing else.
    fn piece_length(&self) -> Option<usize> {
        let length = |event: &Event| match event {
            Event::Text(piece) | Event::Thinking(piece) | Event::ToolArguments { json: piece, .. } => Some(piece.len()),
            _ => None,
        };
        match self.said.len() {
            1 => self.said.front().and_then(length),
            _ => None,
        }
    }

    /// The connection has ended, and the answer has not, unless all that its last event lacks is its empty line.
    fn hear_the_last(&mut self) -> Result<(), ErrorKind> {
        self.chunk = Bytes::from_static(b"\n\n");
        // Half an event is no error of its own: it was cut short with the rest. One that names an error was whole.
        if let Err(error @ ErrorKind::Api(_)) = self.hear() {
            return Err(error);
        }
        match self.body {
            None => Ok(()),
            Some(_) => Err(self.adapter.reader().cut_short()),
        }
    }

    fn too_long(&self) -> String {
        let provider = &self.adapter.provider;
        let mebibytes = provider.max_event_bytes as f64 / (1024.0 * 1024.0);
        format!("an event is longer than {mebibytes} MiB (providers.{}.max_event_mb)", provider.name)
    }
}

impl Stream for Events {
    type Item = Result<Event, ErrorKind>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.said.is_empty()
            && this.body.is_some()
            && let Err(error) = ready!(this.poll(context))
        {
            this.body = None;
            this.failed = Some(error);
        }
        Poll::Ready(this.said.pop_front().map(Ok).or_else(|| this.failed.take().map(Err)))
    }
}

impl Quiet {
    /// Ready once nothing has come for this long. The timer is set where something is waited for, and not for each event.
    fn poll(&mut self, context: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let Some(since) = self.since else { return Poll::Pending };
        loop {
            let timer = self.timer.get_or_insert_with(|| Timer::at(since + limit));
            ready!(timer.poll(context));
            let left = match limit.checked_sub(since.elapsed()).filter(|left| !left.is_zero()) {
                Some(left) => left,
                None if self.doubted == Some(since) => return Poll::Ready(()),
                None => {
                    self.doubted = Some(since);
                    SECOND_LOOK
                }
            };
            timer.reset(Instant::now() + left);
        }
    }
}

fn decoder(adapter: &HttpAdapter) -> SseDecoder {
    SseDecoder::with_limit(NonZeroUsize::new(adapter.provider.max_event_bytes).unwrap_or(NonZeroUsize::MIN))
}

/// Reads a body to its end, which an answer that is whole has reached but for a few bytes.
async fn drain(mut body: Body) {
    while let Ok(Some(_)) = poll_fn(|context| body.poll_next(context)).await {}
}

#[cfg(test)]
mod tests;
