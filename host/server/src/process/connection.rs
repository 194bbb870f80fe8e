//! One connection: reads requests, gives them to the routes, and writes the answers, until either side ends it.

use std::{convert::Infallible, pin::pin, sync::Arc};

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
    process::guarded::{Guarded, Patience, Turn},
};

/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// The most headers of a request.
const MOST_HEADERS: usize = 128;

/// Serves a connection. Ends it after the answer under way once `stop` says so.
pub(crate) async fn serve<C>(connection: C, router: Router, patience: Patience, mut stop: watch::Receiver<bool>)
where
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
            .serve_connection(TokioIo::new(connection), service)
    );
    let served = tokio::select! {
        // First, so that a request that has arrived is answered.
        biased;
        served = serving.as_mut() => served,
        () = told(&mut stop) => {
            if turn.is_idle() {
                return;
            }
            serving.as_mut().graceful_shutdown();
            serving.await
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
