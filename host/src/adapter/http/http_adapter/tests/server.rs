//! A server whose answer a test gives byte by byte.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// What the server does after its answer.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    Close,
    Hold,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) requests: mpsc::UnboundedReceiver<String>,
}

/// A server that gives this answer to every request on every connection.
pub(crate) async fn serve(answer: impl Into<Vec<u8>>, then: Then) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (answer, connections): (Arc<[u8]>, Arc<AtomicUsize>) = (answer.into().into(), Arc::default());
    let (sender, requests) = mpsc::unbounded_channel();
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(answer_all(connection, answer.clone(), then, sender.clone()));
        }
    });
    Server { url, connections, requests }
}

async fn answer_all(mut connection: TcpStream, answer: Arc<[u8]>, then: Then, requests: mpsc::UnboundedSender<String>) {
    while let Some(request) = read_request(&mut connection).await {
        requests.send(request).ok();
        connection.write_all(&answer).await.ok();
        if matches!(then, Then::Close) {
            return;
        }
    }
}

pub(crate) async fn read_request(connection: &mut TcpStream) -> Option<String> {
    let mut request = String::new();
    loop {
        let mut bytes = vec![0; 64 * 1024];
        let read = connection.read(&mut bytes).await.ok().filter(|read| *read > 0)?;
        request += std::str::from_utf8(&bytes[..read]).unwrap();
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            return Some(request);
        }
    }
}
