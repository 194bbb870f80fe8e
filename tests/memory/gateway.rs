//! What the gateway holds for the streams that are open, and for a long conversation.

use std::sync::Arc;

use arcllm::{Config, Host, RequestLog};
use arcllm_server::serve::{Server, Setup};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    allocator::Since,
    server::{self, Says},
};

/// Streams that are open at once.
const OPEN: usize = 200;

/// Bytes that an open stream may cost, the client and the provider of this test included. Some 50 KB of them are buffers of the HTTP
/// library, for two connections. One buffer more is 8 KB.
const EACH: usize = 64 << 10;

/// A long conversation, in bytes.
const LONG: usize = 8 << 20;

pub(crate) async fn open_streams() {
    let provider = endless().await;
    let gateway = gateway(&provider);
    let opened = async |count: usize| {
        let mut streams = Vec::with_capacity(count);
        for _ in 0..count {
            streams.push(
                ask(&gateway, r#"{"model":"a","stream":true,"messages":[{"role":"user","content":"hi"}]}"#).await,
            );
        }
        streams
    };
    let before = opened(20).await;
    let since = Since::now();
    let streams = opened(OPEN).await;
    let each = since.peak() / OPEN;
    eprintln!("{each} bytes an open stream");
    assert!(each <= EACH, "an open stream costs {each} bytes");
    drop((before, streams));
}

pub(crate) async fn long_conversation() {
    let provider = server::Server::start().await;
    provider
        .says(Says::Whole, &Arc::from(&br#"{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}"#[..]));
    let gateway = gateway(&provider.url);
    let text = r#"A line of text, with \"quotes\".\n"#.repeat(300);
    let turn = format!(r#"{{"role":"user","content":"{text}"}},{{"role":"assistant","content":"{text}"}}"#);
    let turns = vec![turn.as_str(); LONG / turn.len()].join(",");
    let body = format!(r#"{{"model":"a","messages":[{turns}]}}"#);
    drop(turns);
    ask(&gateway, &body).await;
    let since = Since::now();
    ask(&gateway, &body).await;
    let times = since.peak() as f64 / body.len() as f64;
    eprintln!("{times:.3} times a conversation");
    // The body as it came, and what was read of it. The provider is sent pieces of the body.
    assert!(times <= 2.2, "a conversation takes {times:.3} times its size");
}

/// Asks, and waits for the beginning of the answer.
async fn ask(gateway: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = [0; 64];
    stream.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    stream
}

/// Starts a gateway in front of a provider. Returns its address.
fn gateway(provider: &str) -> String {
    let config = format!(
        "[providers.a]\nadapter = \"openai\"\nbase_url = \"{provider}\"\napi_key_env = \"\"\ndefault_model = \"m\"\n"
    );
    let host = Host::builder().config(Config::parse(&config, None).unwrap()).build().unwrap();
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let setup = Setup { host, read: None, listen, log: Some(RequestLog::Off), threads: 1, otlp: None };
    let server = Server::listen(setup).unwrap();
    let address = server.address().to_string();
    tokio::spawn(server.run());
    address
}

/// A provider whose answers begin and do not end.
async fn endless() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 512];
                let _ = stream.read(&mut request).await;
                let event = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n";
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
                let answer = format!("{head}{:x}\r\n{event}\r\n", event.len());
                let _ = stream.write_all(answer.as_bytes()).await;
                // Until the client leaves.
                let _ = stream.read(&mut request).await;
            });
        }
    });
    format!("http://{address}")
}
