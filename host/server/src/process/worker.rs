//! One thread of the server: accepts connections, and serves them until it is told to stop.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use futures::FutureExt as _;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    gateway::{gateway::Gateway, shared::Shared},
    process::{
        connection::{serve, told},
        guarded::Patience,
        leaving::watched,
        tls::Certificate,
    },
    routes::router::router,
};

/// What a connection gets that is one too many.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long no connection is accepted after the system has refused one, for example since too many files are open.
const AFTER_REFUSAL: Duration = Duration::from_millis(50);

/// How long a client has to encrypt its connection once the server stops.
const LAST_HANDSHAKE: Duration = Duration::from_millis(500);

/// How long a connection is silent before the system looks whether the client is still there, and how long until it looks again.
const SILENT: Duration = Duration::from_secs(60);
const PROBED: Duration = Duration::from_secs(15);

/// How much the system takes of an answer that it cannot send yet, in bytes. With more, a client that reads slowly would seem to take
/// nothing for long, since the system takes more only once much of it is sent.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 << 10;

/// What a thread works with.
pub(crate) struct Worker {
    pub(crate) listener: std::net::TcpListener,
    pub(crate) shared: Arc<Shared>,
    pub(crate) certificate: Option<Arc<Certificate>>,
    /// Becomes true when no more connections are accepted.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Worker {
    /// Works until it is told to stop and all connections have ended.
    ///
    /// # Errors
    ///
    /// If the system gives no runtime.
    pub(crate) fn work(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.accept())
    }

    async fn accept(self) -> io::Result<()> {
        let Self { listener, shared, certificate, mut stop } = self;
        let listener = TcpListener::from_std(listener)?;
        let router = router(Arc::new(Gateway::of(shared.clone())));
        let stop_seen = stop.clone();
        let (open, mut all_ended) = mpsc::channel::<()>(1);
        let begin = |connection: TcpStream| {
            let Some(counted) = shared.connections.add(shared.live().config().max_connections) else {
                // There is nothing to do if it is not sent.
                let _ = connection.try_write(BUSY);
                return;
            };
            let patience = Patience::of(shared.live().config());
            let client = Client { connection, router: router.clone(), patience, stop: stop_seen.clone() };
            let (acceptor, open) = (certificate.as_ref().map(|certificate| certificate.acceptor()), open.clone());
            tokio::spawn(async move {
                client.serve(acceptor).await;
                drop((counted, open));
            });
        };
        loop {
            let accepted = tokio::select! {
                biased;
                () = told(&mut stop) => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((connection, _)) => begin(connection),
                Err(error) => {
                    tracing::warn!(target: "arcllm::serve", %error, "a connection is not accepted");
                    sleep(AFTER_REFUSAL).await;
                }
            }
        }
        // Those that wait to be accepted have been told that somebody is there.
        while let Some(Ok((connection, _))) = listener.accept().now_or_never() {
            begin(connection);
        }
        drop(listener);
        drop(open);
        all_ended.recv().await;
        // The instances end with this thread.
        shared.live().host.settled().await;
        Ok(())
    }
}

/// Waits until a connection is encrypted, and not for long once the server stops: many clients connect before they have to ask.
async fn accepted<C>(accepting: impl Future<Output = io::Result<C>>, mut stop: watch::Receiver<bool>) -> io::Result<C> {
    let stopping = async {
        told(&mut stop).await;
        sleep(LAST_HANDSHAKE).await;
    };
    tokio::select! {
        accepted = accepting => accepted,
        () = stopping => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// Sets what the system does with a connection.
fn prepare(connection: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(connection);
    // A client whose machine is gone is noticed, also while its answer takes long.
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENT).with_interval(PROBED))?;
    // Some sandboxes do not have it.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
    // Events are small, and each is wanted at once.
    connection.set_nodelay(true)
}

/// A client that has connected.
struct Client {
    connection: TcpStream,
    router: Router,
    patience: Patience,
    stop: watch::Receiver<bool>,
}

impl Client {
    async fn serve(self, acceptor: Option<TlsAcceptor>) {
        let Self { connection, router, patience, stop } = self;
        if prepare(&connection).is_err() {
            return;
        }
        let (connection, left) = watched(connection);
        let Some(acceptor) = acceptor else { return serve(connection, left, router, patience, stop).await };
        // In a place of its own, since it is far larger than a connection without TLS.
        let encrypted = async {
            match timeout(patience.head, accepted(acceptor.accept(connection), stop.clone())).await {
                Ok(Ok(connection)) => serve(connection, left, router, patience, stop).await,
                Ok(Err(error)) => tracing::debug!(target: "arcllm::serve", %error, "a client gets no TLS connection"),
                Err(_) => {}
            }
        };
        Box::pin(encrypted).await;
    }
}
