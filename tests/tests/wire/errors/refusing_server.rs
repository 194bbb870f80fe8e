//! A server for HTTP/2 over TLS that refuses requests. It writes its frames itself, to name any stream as the last one.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
    server::TlsStream,
};

/// What the server does with a request, once it is whole.
#[derive(Debug, Clone, Copy)]
pub(super) enum Does {
    Answers,
    /// Answers and ends the connection.
    AnswersLast,
    /// Refuses the stream and keeps the connection.
    Refuses,
    /// Announces the end of the connection with this stream as the last one, for this reason, and may then end it.
    GoesAway {
        last: u32,
        code: u32,
        closes: bool,
    },
    /// Resets the stream for this reason.
    Resets(u32),
    Nothing,
}

/// What the server has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) connections: usize,
    pub(super) requests: usize,
    /// Connections that the client has ended.
    pub(super) ended: usize,
}

pub(super) struct Server {
    address: SocketAddr,
    seen: watch::Receiver<Seen>,
}

impl Server {
    /// Does this with the requests, one after the other, whatever connection they come on.
    pub(super) async fn start(
        certificate: &CertificateDer<'static>,
        key: &PrivateKeyDer<'static>,
        does: &[Does],
    ) -> Self {
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let tls = tls.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut tls = tls.with_single_cert(vec![certificate.clone()], key.clone_key()).unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, watched) = watch::channel(Seen::default());
        let (seen, does) = (Arc::new(seen), Arc::new(Mutex::new(does.iter().copied().collect())));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.send_modify(|seen| seen.connections += 1);
                tokio::spawn(serve(acceptor.clone(), stream, seen.clone(), does.clone()));
            }
        });
        Self { address, seen: watched }
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(super) fn seen(&self) -> (usize, usize) {
        let seen = self.seen.borrow();
        (seen.connections, seen.requests)
    }

    /// Waits until it has seen this.
    pub(super) async fn wait_until(&self, condition: impl Fn(&Seen) -> bool) {
        self.seen.clone().wait_for(condition).await.unwrap();
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
/// The end of a stream, or an acknowledgement.
const END: u8 = 1;
const END_HEADERS: u8 = 4;
const REFUSED_STREAM: u32 = 7;

const BODY: &[u8] = br#"{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}"#;

async fn serve(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    seen: Arc<watch::Sender<Seen>>,
    does: Arc<Mutex<VecDeque<Does>>>,
) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    send(&mut stream, SETTINGS, 0, 0, &[]).await;
    while let Some((kind, flags, id, payload)) = receive(&mut stream).await {
        match kind {
            SETTINGS | PING if flags & END == 0 => {
                let payload = if kind == PING { &payload[..] } else { &[] };
                send(&mut stream, kind, END, 0, payload).await;
            }
            HEADERS | DATA if flags & END != 0 => {
                seen.send_modify(|seen| seen.requests += 1);
                let does = does.lock().unwrap().pop_front().unwrap();
                if act(&mut stream, id, does).await {
                    return;
                }
            }
            _ => {}
        }
    }
    seen.send_modify(|seen| seen.ended += 1);
}

/// Does this with the request of this stream. Returns whether the connection ends.
async fn act(stream: &mut TlsStream<TcpStream>, id: u32, does: Does) -> bool {
    match does {
        Does::Answers | Does::AnswersLast => {
            // `:status: 200` from the static table.
            send(stream, HEADERS, END_HEADERS, id, &[0x88]).await;
            send(stream, DATA, END, id, BODY).await;
            if matches!(does, Does::AnswersLast) {
                let _ = stream.shutdown().await;
                return true;
            }
        }
        Does::Refuses => send(stream, RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes()).await,
        Does::Resets(code) => send(stream, RST_STREAM, 0, id, &code.to_be_bytes()).await,
        Does::GoesAway { last, code, closes } => {
            send(stream, GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat()).await;
            if closes {
                let _ = stream.shutdown().await;
            }
            return closes;
        }
        Does::Nothing => {}
    }
    false
}

async fn send(stream: &mut TlsStream<TcpStream>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &id.to_be_bytes()].concat();
    // The client may be gone.
    let _ = stream.write_all(&[&head, payload].concat()).await;
    let _ = stream.flush().await;
}

/// The kind, flags, stream and payload of the next frame; none at the end.
async fn receive(stream: &mut TlsStream<TcpStream>) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, flags, id @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some((kind, flags, u32::from_be_bytes(id), payload))
}
