//! A server for HTTP/2 over TLS alone.

use std::{
    collections::VecDeque,
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use http::Response;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// How an answer goes on after its first events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It ends.
    End,
    /// The stream is reset.
    Reset,
    /// The whole connection breaks.
    Abort,
    /// Nothing comes until the client resets the stream.
    Silence,
    /// Its events are repeated as fast as the client takes them.
    Repeat,
}

/// What the server has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) connections: usize,
    pub(super) requests: usize,
    /// Streams that the client has reset.
    pub(super) resets: usize,
    /// Bytes of bodies that were handed to the connection.
    pub(super) sent: usize,
}

/// The answers to give, and what was seen.
struct Shared {
    answers: Mutex<VecDeque<(Vec<String>, Then)>>,
    seen: watch::Sender<Seen>,
}

/// A running server, which ends with the runtime.
pub(super) struct Server {
    address: SocketAddr,
    seen: watch::Receiver<Seen>,
}

impl Server {
    /// Gives these answers, one for each request.
    pub(super) async fn start(
        certificate: &CertificateDer<'static>,
        key: &PrivateKeyDer<'static>,
        answers: impl IntoIterator<Item = (Vec<String>, Then)>,
    ) -> Self {
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let tls = tls.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut tls = tls.with_single_cert(vec![certificate.clone()], key.clone_key()).unwrap();
        // A client without HTTP/2 is not served.
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, acceptor) = (listener.local_addr().unwrap(), TlsAcceptor::from(Arc::new(tls)));
        let (seen, watched) = watch::channel(Seen::default());
        let shared = Arc::new(Shared { answers: Mutex::new(answers.into_iter().collect()), seen });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.saw(|seen| seen.connections += 1);
                tokio::spawn(shared.clone().serve(acceptor.clone(), stream));
            }
        });
        Self { address, seen: watched }
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(super) fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    /// Waits until it has seen this.
    pub(super) async fn wait_until(&self, condition: impl Fn(&Seen) -> bool) -> Seen {
        *self.seen.clone().wait_for(condition).await.unwrap()
    }
}

impl Shared {
    fn saw(&self, change: impl FnOnce(&mut Seen)) {
        self.seen.send_modify(change);
    }

    async fn serve(self: Arc<Self>, acceptor: TlsAcceptor, stream: TcpStream) {
        let Ok(stream) = acceptor.accept(stream).await else { return };
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (lost, mut answering) = (Arc::new(Notify::new()), JoinSet::new());
        loop {
            tokio::select! {
                () = lost.notified() => return,
                accepted = connection.accept() => {
                    let Some(Ok((request, respond))) = accepted else { return };
                    self.saw(|seen| seen.requests += 1);
                    let (shared, lost) = (self.clone(), lost.clone());
                    answering.spawn(async move {
                        let mut asked = request.into_body();
                        while let Some(Ok(piece)) = asked.data().await {
                            let _ = asked.flow_control().release_capacity(piece.len());
                        }
                        if shared.answer(respond, &lost).await.is_err() {
                            shared.saw(|seen| seen.resets += 1);
                        }
                    });
                }
            }
        }
    }

    /// Answers one request. Fails if the client resets the stream.
    async fn answer(&self, mut respond: SendResponse<Bytes>, lost: &Notify) -> Result<(), h2::Error> {
        let (events, then) = self.answers.lock().unwrap().pop_front().unwrap();
        let head = Response::builder().header("content-type", "text/event-stream").body(()).unwrap();
        let mut body = respond.send_response(head, false)?;
        for event in &events {
            self.send(&mut body, event).await?;
        }
        match then {
            Then::End => body.send_data(Bytes::new(), true)?,
            Then::Reset => {
                // What was sent must arrive before.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                body.send_reset(Reason::INTERNAL_ERROR);
            }
            Then::Abort => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                lost.notify_one();
            }
            Then::Silence => return Err(poll_fn(|context| body.poll_reset(context)).await?.into()),
            Then::Repeat => loop {
                self.send(&mut body, events.last().unwrap()).await?;
            },
        }
        Ok(())
    }

    /// Sends as much at a time as the client has room for.
    async fn send(&self, body: &mut SendStream<Bytes>, event: &str) -> Result<(), h2::Error> {
        let mut rest = Bytes::copy_from_slice(event.as_bytes());
        while !rest.is_empty() {
            body.reserve_capacity(rest.len());
            let room = match poll_fn(|context| body.poll_capacity(context)).await {
                Some(room) => room?,
                None => return Err(Reason::CANCEL.into()),
            };
            let piece = rest.split_to(room.min(rest.len()));
            self.saw(|seen| seen.sent += piece.len());
            body.send_data(piece, false)?;
        }
        Ok(())
    }
}
