//! A hostile server: it sends any bytes, over a real socket.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// How a server behaves.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Says {
    Whole,
    Events,
    /// An error with this status.
    Error,
}

/// Answers every request with this body. The body is not copied, so that it does not count.
pub(crate) struct Server {
    pub(crate) url: String,
    answers: Arc<Mutex<(Says, Arc<[u8]>)>>,
    received: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new((Says::Whole, Arc::from([].as_slice()))));
        let received = Arc::<AtomicUsize>::default();
        let server = Self { url, answers: answers.clone(), received: received.clone() };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answers, received) = (answers.clone(), received.clone());
                tokio::spawn(async move { serve(stream, &answers, &received).await });
            }
        });
        server
    }

    pub(crate) fn says(&self, says: Says, body: &Arc<[u8]>) {
        *self.answers.lock().unwrap() = (says, body.clone());
    }

    /// The bytes of the last request's body.
    pub(crate) fn received(&self) -> usize {
        self.received.load(SeqCst)
    }
}

/// Reads one request, answers it, and closes the connection. Each call has its own connection.
async fn serve(mut stream: TcpStream, answers: &Mutex<(Says, Arc<[u8]>)>, received: &AtomicUsize) {
    received.store(read_request(&mut stream).await, SeqCst);
    let (says, body) = answers.lock().unwrap().clone();
    let (status, kind) = match says {
        Says::Whole => ("200 OK", "application/json"),
        Says::Events => ("200 OK", "text/event-stream"),
        Says::Error => ("500 Internal Server Error", "application/json"),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // A client may close the connection early.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&body).await;
    let _ = stream.shutdown().await;
}

/// Skips a request. Returns the length of its body.
async fn read_request(stream: &mut TcpStream) -> usize {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    let ends = loop {
        let length = stream.read(&mut piece).await.unwrap();
        head.extend_from_slice(&piece[..length]);
        if let Some(at) = head.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = String::from_utf8_lossy(&head[..ends]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap().trim();
    let length = length.parse::<usize>().unwrap();
    let mut left = length - (head.len() - ends);
    while left > 0 {
        left -= stream.read(&mut piece).await.unwrap();
    }
    length
}
