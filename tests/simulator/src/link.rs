//! The connection of a client: its bytes, the ways to end it, and whether the client has left.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const READ_SIZE: usize = 64 * 1024;
/// How much a client may send ahead while it waits for a reply. With more, reading stops, and only writing shows that
/// the client has left.
const READ_AHEAD_LIMIT: usize = 1024 * 1024;
/// How long an orderly close waits for the client's.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// Some systems throw away bytes that are not read yet when a reset comes.
const PAUSE_BEFORE_RESET: Duration = Duration::from_millis(20);

/// The client closed or reset the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of the buffer is used up. Moving the rest for every small piece would cost quadratic time.
    used: usize,
}

impl Link {
    pub(crate) fn new(stream: TcpStream) -> Link {
        // Without it a late body would wait for the acknowledgement of the head, which is only slower.
        let _ = stream.set_nodelay(true);
        Link { stream, buffer: Vec::new(), used: 0 }
    }

    /// The bytes that came and are not used up.
    pub(crate) fn unread(&self) -> &[u8] {
        self.buffer.get(self.used..).unwrap_or_default()
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.used = (self.used + count).min(self.buffer.len());
    }

    /// Waits for more bytes.
    pub(crate) async fn fill(&mut self) -> Result<(), Gone> {
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.reserve(READ_SIZE);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => Err(Gone),
            Ok(_) => Ok(()),
        }
    }

    /// Moves exactly `length` bytes to the end of `target`.
    pub(crate) async fn take(&mut self, length: usize, target: &mut Vec<u8>) -> Result<(), Gone> {
        let ready = self.unread().len().min(length);
        target.extend_from_slice(self.unread().get(..ready).unwrap_or_default());
        self.consume(ready);
        let missing = length - ready;
        let mut rest = (&mut self.stream).take(missing as u64);
        match rest.read_to_end(target).await {
            Ok(count) if count == missing => Ok(()),
            Ok(_) | Err(_) => Err(Gone),
        }
    }

    /// Resolves when the client has gone.
    pub(crate) async fn gone(&mut self) {
        while self.unread().len() < READ_AHEAD_LIMIT {
            if self.fill().await.is_err() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Waits, unless the client goes away first.
    pub(crate) async fn wait(&mut self, time: Duration) -> Result<(), Gone> {
        if time.is_zero() {
            return Ok(());
        }
        tokio::select! {
            () = sleep(time) => Ok(()),
            () = self.gone() => Err(Gone),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.stream.write_all(bytes).await.map_err(|_| Gone)
    }

    /// Ends the connection in good order. It reads what the client still sends, or the system would turn the close into
    /// a reset, and the client might lose the end of the reply.
    pub(crate) async fn close(mut self) {
        let ending = async {
            self.stream.shutdown().await?;
            let mut rest = [0; 4096];
            while self.stream.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        };
        // Either way the stream is dropped now.
        let _ = timeout(CLOSE_LIMIT, ending).await;
    }

    /// Resets the connection.
    pub(crate) async fn reset(self, after_bytes: bool) {
        if after_bytes {
            sleep(PAUSE_BEFORE_RESET).await;
        }
        // With no time to linger the system drops what is unsent and sends RST.
        let _ = self.stream.set_zero_linger();
    }
}
