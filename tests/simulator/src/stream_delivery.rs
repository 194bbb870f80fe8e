//! Sending a stream at its pace.

use std::time::Duration;

use crate::delivery::Sent;
use crate::event_stream::{EventStream, Piece};
use crate::link::{Gone, Link};

/// The runtime's timer is no finer.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// With more bytes than this, pieces are no longer collected before they are sent.
const WRITE_SIZE: usize = 64 * 1024;

/// What is ready to be sent.
struct Batch<'a> {
    link: &'a mut Link,
    /// Whether each piece is a chunk, or the bytes alone.
    is_chunked: bool,
    bytes: Vec<u8>,
    /// What `bytes` holds of the body.
    content: Sent,
}

/// Sends `head`, which may be empty, and the stream.
pub(crate) async fn send(
    link: &mut Link,
    head: Vec<u8>,
    stream: &EventStream,
    is_chunked: bool,
    sent: &mut Sent,
) -> Result<(), Gone> {
    let mut batch = Batch { link, is_chunked, bytes: head, content: Sent::default() };
    let mut owed = Duration::ZERO;
    let mut pieces = stream.pieces.iter().peekable();
    while let Some(piece) = pieces.next() {
        owed += piece.pause;
        if owed >= SHORTEST_WAIT {
            batch.flush(sent).await?;
            batch.link.wait(owed).await?;
            owed = Duration::ZERO;
        }
        batch.add(piece, if pieces.peek().is_none() { stream.missing } else { 0 });
        if batch.bytes.len() >= WRITE_SIZE {
            batch.flush(sent).await?;
        }
    }
    if is_chunked && stream.is_ended {
        batch.bytes.extend_from_slice(b"0\r\n\r\n");
    }
    batch.flush(sent).await
}

impl Batch<'_> {
    /// Adds a piece, with this many bytes missing at its end.
    fn add(&mut self, piece: &Piece, missing: usize) {
        // An empty chunk would end the body.
        let is_chunked = self.is_chunked && !piece.bytes.is_empty();
        if is_chunked {
            self.bytes.extend_from_slice(format!("{:x}\r\n", piece.bytes.len() + missing).as_bytes());
        }
        self.bytes.extend_from_slice(&piece.bytes);
        if is_chunked && missing == 0 {
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.content.bytes += piece.bytes.len() as u64;
        self.content.events += piece.events;
    }

    async fn flush(&mut self, sent: &mut Sent) -> Result<(), Gone> {
        self.link.send(&self.bytes).await?;
        self.bytes.clear();
        sent.add(std::mem::take(&mut self.content));
        Ok(())
    }
}
