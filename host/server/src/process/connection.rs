//! One connection: reads requests, gives them to the routes, and writes the answers, until either side ends it.

use std::{convert::Infallible, future::poll_fn, pin::pin, sync::Arc, task::Poll};

use axum::{Router, body::Body};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tower::ServiceExt as _;

use crate::{
    call::held_body::HeldBody,
    process::{
        guarded::{Guarded, Patience, Turn},
        leaving::{Left, WATCHES_CLIENTS},
    },
};

/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// The most headers of a request.
const MOST_HEADERS: usize = 128;

/// Serves a connection. Ends it after the answer under way once `stop` says so, and with the answer under way once the client has
/// left.
pub(crate) async fn serve<C>(
    connection: C,
    mut left: Left,
    router: Router,
    patience: Patience,
    mut stop: watch::Receiver<bool>,
) where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Guarded::new(connection, patience);
    let turn = connection.turn();
    let answered = turn.clone();
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        answered.answer_begins();
        let (router, answering) = (router.clone(), Answering(answered.clone()));
        async move {
            let response = router.oneshot(request.map(Body::new)).await?;
            Ok::<_, Infallible>(response.map(|body| HeldBody::new(body, answering)))
        }
    });
    let mut serving = pin!(
        http1::Builder::new()
            .max_headers(MOST_HEADERS)
            .max_header_size(LONGEST_HEAD)
            // A client that has no more to ask may still read. One that leaves is noticed by `left`.
            .half_close(WATCHES_CLIENTS)
            .serve_connection(TokioIo::new(connection), service)
    );
    // While no call runs, hyper sees the end itself, behind the requests in front of it.
    let mut has_left = false;
    let mut left = poll_fn(|context| {
        has_left = has_left || left.as_mut().poll(context).is_ready();
        if has_left && turn.is_answering() { Poll::Ready(()) } else { Poll::Pending }
    });
    let served = tokio::select! {
        // First, so that a request that has arrived is answered.
        biased;
        served = serving.as_mut() => served,
        () = &mut left => return,
        () = told(&mut stop) => {
            if turn.is_idle() {
                return;
            }
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                served = serving => served,
                () = left => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(target: "arcllm::serve", %error, "a connection ended with an error");
    }
}

/// Waits until it is true.
pub(crate) async fn told(stop: &mut watch::Receiver<bool>) {
    // An error means that the server is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// An answer under way, which tells its connection when it has ended.
struct Answering(Arc<Turn>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answer_ends();
    }
}
