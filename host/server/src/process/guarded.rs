//! A connection that ends when its client takes too long: to send the head of a request, to ask again, or to take an answer.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use arcllm::ServeConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The first byte of a request.
    Request,
    /// The rest of the head of a request.
    Head,
    /// Its own answer. The reader of the request's body has a limit for it.
    Answer,
    /// The client, to take the rest of an answer that has been handed over.
    Sent,
}

/// What a connection waits for, as the reader of requests and the writer of answers tell it.
#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicU8);

impl Turn {
    /// A request is answered from now on.
    pub(crate) fn answer_begins(&self) {
        self.0.store(Waiting::Answer as u8, Ordering::Relaxed);
    }

    /// An answer has been handed over. It is not sent yet.
    pub(crate) fn answer_ends(&self) {
        self.0.store(Waiting::Sent as u8, Ordering::Relaxed);
    }

    /// All that was handed over is sent.
    fn flushed(&self) {
        if self.get() == Waiting::Sent {
            self.0.store(Waiting::Request as u8, Ordering::Relaxed);
        }
    }

    /// Whether no request has begun, and no answer is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.get() == Waiting::Request
    }

    /// Whether a request has come whose answer has not been handed over.
    pub(crate) fn is_answering(&self) -> bool {
        self.get() == Waiting::Answer
    }

    fn get(&self) -> Waiting {
        match self.0.load(Ordering::Relaxed) {
            0 => Waiting::Request,
            1 => Waiting::Head,
            2 => Waiting::Answer,
            _ => Waiting::Sent,
        }
    }
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    idle: Duration,
    pub(crate) head: Duration,
    write: Duration,
}

impl Patience {
    pub(crate) fn of(config: &ServeConfig) -> Self {
        Self { idle: config.idle_timeout, head: config.header_timeout, write: config.write_timeout }
    }
}

/// A connection with limits of time.
#[derive(Debug)]
pub(crate) struct Guarded<C> {
    connection: C,
    patience: Patience,
    turn: Arc<Turn>,
    /// What the deadline of reading is for.
    waiting: Waiting,
    reading: Deadline,
    writing: Deadline,
}

impl<C> Guarded<C> {
    pub(crate) fn new(connection: C, patience: Patience) -> Self {
        let reading = Deadline::at(Instant::now() + patience.idle);
        let (turn, writing) = (Arc::default(), Deadline::default());
        Self { connection, patience, turn, waiting: Waiting::Request, reading, writing }
    }

    pub(crate) fn turn(&self) -> Arc<Turn> {
        self.turn.clone()
    }

    /// Ends a wait for the client that has been too long.
    fn poll_read_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let waiting = self.turn.get();
        if std::mem::replace(&mut self.waiting, waiting) != waiting {
            self.reading.set(match waiting {
                Waiting::Request => Some(Instant::now() + self.patience.idle),
                Waiting::Head => Some(Instant::now() + self.patience.head),
                Waiting::Answer | Waiting::Sent => None,
            });
        }
        self.reading.poll(context).map(|()| io::ErrorKind::TimedOut.into())
    }

    /// The result of a write, or of a wait for it that has been too long.
    fn moved<T>(&mut self, context: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.writing.set(None);
            return result;
        }
        if !self.writing.is_set() {
            self.writing.set(Some(Instant::now() + self.patience.write));
        }
        self.writing.poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Guarded<C> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.connection).poll_read(context, buffer) {
            Poll::Ready(result) => {
                if buffer.filled().len() > before && this.turn.is_idle() {
                    this.turn.0.store(Waiting::Head as u8, Ordering::Relaxed);
                    this.waiting = Waiting::Head;
                    this.reading.set(Some(Instant::now() + this.patience.head));
                }
                Poll::Ready(result)
            }
            Poll::Pending => Poll::Ready(Err(ready!(this.poll_read_deadline(context)))),
        }
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Guarded<C> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.connection).poll_write(context, bytes);
        this.moved(context, written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.connection).poll_flush(context);
        // Behind an answer the connection is flushed, and nobody reads until the client says something. So the wait for it
        // begins here. Its end wakes the reader, which ends the connection.
        if flushed.is_ready() {
            this.turn.flushed();
            if this.turn.is_idle() {
                let _ = this.poll_read_deadline(context);
            }
        }
        this.moved(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let ended = Pin::new(&mut this.connection).poll_shutdown(context);
        this.moved(context, ended)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.connection).poll_write_vectored(context, bytes);
        this.moved(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

/// A moment that often moves. The timer is set anew only when it fires too early, or would fire too late.
#[derive(Debug, Default)]
struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    fn at(at: Instant) -> Self {
        Self { at: Some(at), timer: None }
    }

    fn set(&mut self, at: Option<Instant>) {
        self.at = at;
    }

    fn is_set(&self) -> bool {
        self.at.is_some()
    }

    /// Ready once the moment has passed.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if at <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}
