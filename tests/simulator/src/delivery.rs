//! Sending a reply, as far as its fault allows.

use crate::fault::Fault;
use crate::link::{Gone, Link};
use crate::render::{Body, Rendered};
use crate::reply::Reply;
use crate::stream_delivery;

/// Neither HTTP/1, nor HTTP/2, nor TLS.
const GARBAGE: &[u8] = b"\x00\xff\xfe this is not HTTP \x00\x01\x02\r\n\r\n";

/// What becomes of the connection after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It takes another request.
    KeepOpen,
    /// It is closed in good order.
    Close,
    /// It is reset, after some bytes of the reply or before any.
    Reset { after_bytes: bool },
}

/// What was handed to the system of a reply's body.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    /// Without the framing.
    pub(crate) bytes: u64,
    /// Those that are whole.
    pub(crate) events: u64,
}

impl Sent {
    pub(crate) fn add(&mut self, more: Sent) {
        self.bytes += more.bytes;
        self.events += more.events;
    }
}

/// Sends a reply, and keeps count in `sent`. Silence ends, like any wait, when the client goes away.
pub(crate) async fn deliver(
    link: &mut Link,
    reply: &Reply,
    rendered: &Rendered,
    sent: &mut Sent,
) -> Result<After, Gone> {
    link.wait(reply.delay).await?;
    match reply.fault {
        Some(Fault::Reset) => return Ok(After::Reset { after_bytes: false }),
        Some(Fault::Close) => return Ok(After::Close),
        Some(Fault::Silence) => return silence(link).await,
        Some(Fault::ResetInHead) => {
            link.send(first_half(&rendered.head())).await?;
            return Ok(After::Reset { after_bytes: true });
        }
        Some(Fault::Garbage) => {
            link.send(GARBAGE).await?;
            return Ok(After::Close);
        }
        _ => send(link, reply, rendered, sent).await?,
    }
    match reply.fault {
        Some(Fault::ResetInBody) => Ok(After::Reset { after_bytes: true }),
        Some(Fault::Truncate) => Ok(After::Close),
        Some(Fault::SilenceInBody) => silence(link).await,
        _ if rendered.closes(reply) => Ok(After::Close),
        Some(Fault::ClosedPooledConnection) => Ok(After::Close),
        _ => Ok(After::KeepOpen),
    }
}

/// Ends when the client goes away.
async fn silence(link: &mut Link) -> Result<After, Gone> {
    link.gone().await;
    Err(Gone)
}

/// Sends the head and the body, as far as the fault allows; in one piece if there is no wait between them.
async fn send(link: &mut Link, reply: &Reply, rendered: &Rendered, sent: &mut Sent) -> Result<(), Gone> {
    let mut bytes = rendered.head();
    if !reply.body_delay.is_zero() {
        link.send(&bytes).await?;
        bytes.clear();
        link.wait(reply.body_delay).await?;
    }
    match &rendered.body {
        Body::Whole(body) => {
            bytes.extend_from_slice(body);
            link.send(&bytes).await?;
            sent.add(Sent { bytes: body.len() as u64, events: 0 });
            Ok(())
        }
        Body::Stream(stream) => stream_delivery::send(link, bytes, stream, !reply.has_own_framing(), sent).await,
    }
}

fn first_half(bytes: &[u8]) -> &[u8] {
    bytes.get(..bytes.len() / 2).unwrap_or_default()
}
