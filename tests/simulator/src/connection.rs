//! One connection, from its first request to its end.

use std::sync::Arc;

use tokio::net::TcpStream;

use crate::delivery::{After, Sent, deliver};
use crate::link::{Gone, Link};
use crate::render::{Asked, Body, render};
use crate::reply::Reply;
use crate::request::{self, Request, Unreadable};
use crate::state::State;

/// Serves a connection's requests, one after the other. Ends with the connection.
pub(crate) async fn serve(stream: TcpStream, state: Arc<State>) {
    let connection = state.connected();
    let mut link = Link::new(stream);
    loop {
        let after = match request::read(&mut link).await {
            Ok(request) => exchange(&mut link, connection, request, &state).await,
            Err(Unreadable::Refused { status, message }) => refuse(&mut link, status, message).await,
            Err(Unreadable::Gone) => Err(Gone),
        };
        match after {
            Ok(After::KeepOpen) => {}
            Ok(After::Close) => return link.close().await,
            Ok(After::Reset { after_bytes }) => return link.reset(after_bytes).await,
            Err(Gone) => return,
        }
    }
}

/// Answers one request.
async fn exchange(link: &mut Link, connection: u64, request: Request, state: &State) -> Result<After, Gone> {
    let (is_last, is_head_only) = (request.is_last, request.method == "HEAD");
    let assignment = state.assign(connection, request);
    let asked = Asked {
        number: assignment.number,
        format: assignment.format,
        model: assignment.model.as_deref(),
        stream: assignment.stream,
        include_usage: assignment.include_usage,
    };
    let mut rendered = render(&assignment.reply, &asked);
    if is_last {
        rendered.announce_close();
    }
    if is_head_only {
        rendered.body = Body::default();
    }
    let mut sent = Sent::default();
    let after = deliver(link, &assignment.reply, &rendered, &mut sent).await;
    let closed_after = (after == Err(Gone)).then(|| assignment.at.elapsed());
    state.ended(assignment.number, sent, closed_after);
    after
}

/// Answers a malformed request, and ends the connection, since the next request could begin anywhere.
async fn refuse(link: &mut Link, status: u16, message: String) -> Result<After, Gone> {
    let reply = Reply::error(status, message);
    let mut rendered = render(&reply, &Asked::UNKNOWN);
    rendered.announce_close();
    deliver(link, &reply, &rendered, &mut Sent::default()).await
}
