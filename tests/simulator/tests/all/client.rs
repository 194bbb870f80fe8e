//! A client that shows every byte: ordinary ones hide how a connection ends.

use std::future::Future;
use std::io;
use std::time::Duration;

use arcllm_simulator::Simulator;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const MESSAGES: &str = "/v1/messages";
pub(crate) const COMPLETIONS: &str = "/v1/chat/completions";
pub(crate) const RESPONSES: &str = "/v1/responses";

/// A test that takes longer hangs.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap()
}

pub(crate) struct Client {
    stream: TcpStream,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body's length, as the head announces it.
    pub(crate) fn length(&self) -> usize {
        self.header("content-length").map_or(0, |length| length.parse().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A request with a JSON body, as bytes.
pub(crate) fn request(path: &str, headers: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: simulator\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// A request as a client of any format would make it.
pub(crate) fn usual(path: &str) -> Vec<u8> {
    request(path, "", &json!({"model": "some-model", "messages": [{"role": "user", "content": "Hi"}]}))
}

/// The usual request for a stream, with the usage if the format has to be asked for it.
pub(crate) fn streaming(path: &str) -> Vec<u8> {
    let body = json!({"model": "some-model", "stream": true, "stream_options": {"include_usage": true}});
    request(path, "", &body)
}

impl Client {
    pub(crate) async fn connect(simulator: &Simulator) -> Client {
        Client { stream: soon(TcpStream::connect(simulator.address())).await.unwrap() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.unwrap();
    }

    /// Sends the usual request and reads the reply.
    pub(crate) async fn ask(&mut self, path: &str) -> Response {
        self.send(&usual(path)).await;
        self.read().await
    }

    /// Reads one reply: its head, then the body by its length.
    pub(crate) async fn read(&mut self) -> Response {
        let mut response = self.read_head().await;
        response.body = self.read_bytes(response.length()).await;
        response
    }

    pub(crate) async fn read_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        soon(self.stream.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// Reads the head of a reply.
    pub(crate) async fn read_head(&mut self) -> Response {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(self.stream.read_u8()).await.unwrap());
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        assert!(parsed.parse(&head).unwrap().is_complete());
        let owned = |header: &&mut httparse::Header<'_>| {
            (header.name.to_ascii_lowercase(), String::from_utf8(header.value.to_vec()).unwrap())
        };
        Response {
            status: parsed.code.unwrap(),
            headers: parsed.headers.iter_mut().map(|header| owned(&header)).collect(),
            body: Vec::new(),
        }
    }

    /// All bytes up to the connection's end, and the error if it was not an orderly one.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut bytes = Vec::new();
        let end = soon(self.stream.read_to_end(&mut bytes)).await;
        (bytes, end.err().map(|error| error.kind()))
    }

    /// Whatever comes within a moment, of a connection that stays open.
    pub(crate) async fn rest_of_open(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let moment = Duration::from_millis(150);
        let end = tokio::time::timeout(moment, self.stream.read_to_end(&mut bytes)).await;
        assert!(end.is_err(), "the connection ended: {end:?}");
        bytes
    }
}

/// The usual request over a connection of its own, and all that came back.
pub(crate) async fn whole_exchange(simulator: &Simulator, path: &str) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut client = Client::connect(simulator).await;
    client.send(&usual(path)).await;
    client.rest().await
}

/// One reply over a connection of its own.
pub(crate) async fn ask(simulator: &Simulator, path: &str) -> Response {
    Client::connect(simulator).await.ask(path).await
}
