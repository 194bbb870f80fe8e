//! Faults, down to the bytes that come and the way the connection ends.

use std::io::ErrorKind;

use arcllm_simulator::{Fault, Reply, Script, Simulator};
use serde_json::Value;

use crate::client::{COMPLETIONS, Client, MESSAGES, usual, whole_exchange};

/// A body long enough for its half to be seen.
const TEXT: &str = "As long as needed, and a little longer.";

async fn exchange(fault: Fault) -> (Vec<u8>, Option<ErrorKind>) {
    let simulator = Simulator::start(Script::new([Reply::text(TEXT).with_fault(fault)])).await.unwrap();
    whole_exchange(&simulator, MESSAGES).await
}

/// What the head announces as the body's length, and the body as far as it came.
fn split(bytes: &[u8]) -> (usize, &[u8]) {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let length = head.parse(bytes).unwrap().unwrap();
    let announced = head.headers.iter().find(|header| header.name == "content-length").unwrap();
    (std::str::from_utf8(announced.value).unwrap().parse().unwrap(), &bytes[length..])
}

#[tokio::test]
async fn reset() {
    assert_eq!(exchange(Fault::Reset).await, (vec![], Some(ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn close() {
    assert_eq!(exchange(Fault::Close).await, (vec![], None));
}

#[tokio::test]
async fn reset_in_head() {
    let (bytes, end) = exchange(Fault::ResetInHead).await;
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
    assert!(bytes.starts_with(b"HTTP/1.1 200"), "{bytes:?}");
    assert!(!bytes.windows(4).any(|window| window == b"\r\n\r\n"));
}

#[tokio::test]
async fn reset_in_body() {
    let (bytes, end) = exchange(Fault::ResetInBody).await;
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
    let (announced, body) = split(&bytes);
    assert_eq!(body.len(), announced / 2);
}

#[tokio::test]
async fn truncate() {
    let (bytes, end) = exchange(Fault::Truncate).await;
    assert_eq!(end, None);
    let (announced, body) = split(&bytes);
    assert_eq!(body.len(), announced / 2);
}

#[tokio::test]
async fn garbage() {
    let (bytes, end) = exchange(Fault::Garbage).await;
    assert_eq!(end, None);
    assert!(!bytes.is_empty() && !bytes.starts_with(b"HTTP"));
}

#[tokio::test]
async fn malformed() {
    for content in [Reply::text(TEXT), Reply::status(500), Reply::body("application/json", "12")] {
        let script = Script::new([content.with_fault(Fault::Malformed)]);
        let simulator = Simulator::start(script).await.unwrap();
        let mut client = Client::connect(&simulator).await;
        let response = client.ask(COMPLETIONS).await;
        assert!(serde_json::from_slice::<Value>(&response.body).is_err());
        assert!(!response.body.is_empty());
        // The length was right, so the connection can go on.
        assert_eq!(client.ask(COMPLETIONS).await.status, 200);
    }
}

#[tokio::test]
async fn silence() {
    let simulator = Simulator::start(Script::new([Reply::fault(Fault::Silence)])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&usual(MESSAGES)).await;
    assert_eq!(client.rest_of_open().await, b"");
}

#[tokio::test]
async fn silence_in_body() {
    let simulator = Simulator::start(Script::new([Reply::fault(Fault::SilenceInBody)])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&usual(MESSAGES)).await;
    let announced = client.read_head().await.length();
    client.read_bytes(announced / 2).await;
    assert_eq!(client.rest_of_open().await, b"");
}

#[tokio::test]
async fn after_a_fault_the_next_reply_is_given() {
    let simulator = Simulator::start(Script::new([Reply::fault(Fault::Reset).times(2)])).await.unwrap();
    for _ in 0..2 {
        assert_eq!(whole_exchange(&simulator, MESSAGES).await.1, Some(ErrorKind::ConnectionReset));
    }
    assert_eq!(Client::connect(&simulator).await.ask(MESSAGES).await.status, 200);
    let replies: Vec<String> = simulator.requests().into_iter().map(|request| request.reply).collect();
    assert_eq!(replies, ["reset", "reset", "200"]);
}

#[tokio::test]
async fn a_server_that_is_down_refuses_connections() {
    let simulator = Simulator::start(Script::refuse()).await.unwrap();
    let refused = tokio::net::TcpStream::connect(simulator.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    // The port stays taken.
    assert!(Simulator::start_on(simulator.address(), Script::default()).await.is_err());
    let address = simulator.address();
    simulator.stop().await;
    assert!(Simulator::start_on(address, Script::default()).await.is_ok());
}
