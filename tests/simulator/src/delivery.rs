//! Sending a reply, or as much of it as its fault lets through.

use crate::fault::Fault;
use crate::link::{Gone, Link};
use crate::render::Rendered;
use crate::reply::Reply;

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

/// Sends a reply. Silence ends, like any wait, when the client goes away.
pub(crate) async fn deliver(link: &mut Link, reply: &Reply, rendered: &Rendered) -> Result<After, Gone> {
    link.wait(reply.delay).await?;
    match reply.fault {
        None | Some(Fault::Malformed) => {
            send_parts(link, reply, rendered, &rendered.body).await?;
            Ok(if rendered.closes(reply) { After::Close } else { After::KeepOpen })
        }
        Some(Fault::Reset) => Ok(After::Reset { after_bytes: false }),
        Some(Fault::ResetInHead) => {
            link.send(first_half(&rendered.head())).await?;
            Ok(After::Reset { after_bytes: true })
        }
        Some(Fault::ResetInBody) => {
            send_parts(link, reply, rendered, first_half(&rendered.body)).await?;
            Ok(After::Reset { after_bytes: true })
        }
        Some(Fault::Truncate) => {
            send_parts(link, reply, rendered, first_half(&rendered.body)).await?;
            Ok(After::Close)
        }
        Some(Fault::Close) => Ok(After::Close),
        Some(Fault::Silence) => silence(link).await,
        Some(Fault::SilenceInBody) => {
            send_parts(link, reply, rendered, first_half(&rendered.body)).await?;
            silence(link).await
        }
        Some(Fault::Garbage) => {
            link.send(GARBAGE).await?;
            Ok(After::Close)
        }
    }
}

/// Ends when the client goes away.
async fn silence(link: &mut Link) -> Result<After, Gone> {
    link.gone().await;
    Err(Gone)
}

/// Sends the head and this much of the body; in one piece if nothing comes between them.
async fn send_parts(link: &mut Link, reply: &Reply, rendered: &Rendered, body: &[u8]) -> Result<(), Gone> {
    let mut bytes = rendered.head();
    if !reply.body_delay.is_zero() {
        link.send(&bytes).await?;
        bytes.clear();
        link.wait(reply.body_delay).await?;
    }
    bytes.extend_from_slice(body);
    link.send(&bytes).await
}

fn first_half(bytes: &[u8]) -> &[u8] {
    bytes.get(..bytes.len() / 2).unwrap_or_default()
}
