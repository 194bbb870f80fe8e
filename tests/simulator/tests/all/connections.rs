//! Connections: how long they last, what they carry, and how their end is noticed.

use std::time::Duration;

use arcllm_simulator::{Fault, Reply, Script, Simulator};
use serde_json::json;

use crate::client::{COMPLETIONS, Client, MESSAGES, ask, request, soon, streaming, usual};

#[tokio::test]
async fn a_connection_carries_many_requests() {
    let simulator = Simulator::start(Script::new([Reply::text("a"), Reply::status(500)])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    assert_eq!(client.ask(MESSAGES).await.status, 200);
    assert_eq!(client.ask(COMPLETIONS).await.status, 500);
    assert_eq!(client.ask(MESSAGES).await.status, 200);
    assert_eq!(simulator.connections(), 1);
    assert!(simulator.requests().iter().all(|request| request.connection == 1));
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let first = Reply::text("first").delay(Duration::from_millis(30));
    let simulator = Simulator::start(Script::new([first, Reply::text("second")])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&[usual(MESSAGES), usual(MESSAGES)].concat()).await;
    for text in ["first", "second"] {
        assert_eq!(client.read().await.json()["content"][0]["text"], text);
    }
    assert!(simulator.requests().iter().all(|request| !request.dropped()));
}

#[tokio::test]
async fn a_client_can_ask_for_the_end() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    for version in ["HTTP/1.1\r\nconnection: Close", "HTTP/1.0"] {
        let mut client = Client::connect(&simulator).await;
        client.send(format!("POST {MESSAGES} {version}\r\n\r\n").as_bytes()).await;
        assert_eq!(client.read().await.header("connection"), Some("close"));
        assert_eq!(client.rest().await, (vec![], None));
    }
}

#[tokio::test]
async fn chunked_bodies_are_put_together() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    let head = format!("POST {MESSAGES} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send(head.as_bytes()).await;
    for part in ["8;note=x\r\n{\"model\"\r\n", "2\r\n: ", "\r\n4\r\n\"m\"}", "\r\n0\r\nx-trailer: 1\r\n\r\n"] {
        client.send(part.as_bytes()).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(client.read().await.json()["model"], "m");
    assert_eq!(client.ask(MESSAGES).await.status, 200);
}

#[tokio::test]
async fn large_bodies_go_both_ways() {
    let text = "x".repeat(5_000_000);
    let simulator = Simulator::start(Script::new([Reply::text(&text)])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&request(MESSAGES, "", &json!({"model": "m", "filler": text}))).await;
    assert_eq!(client.read().await.json()["content"][0]["text"], text);
    assert_eq!(simulator.requests()[0].body["filler"], text);
}

#[tokio::test]
async fn framing_of_the_script_ends_the_connection() {
    let wrong_length = Reply::body("text/plain", "short").header("content-length", "99");
    let chunks = Reply::body("text/plain", "3\r\nabc\r\n0\r\n\r\n").header("transfer-encoding", "chunked");
    let endless = Reply::body("text/plain", "until the end").without_header("content-length");
    let simulator = Simulator::start(Script::new([wrong_length, chunks, endless])).await.unwrap();
    for (has, ending) in [
        ("content-length: 99\r\n", "\r\n\r\nshort"),
        ("transfer-encoding: chunked\r\n", "\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        ("content-type: text/plain\r\n", "\r\n\r\nuntil the end"),
    ] {
        let (bytes, end) = crate::client::whole_exchange(&simulator, MESSAGES).await;
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(has) && text.ends_with(ending), "{text}");
        assert_eq!(text.matches("content-length").count(), usize::from(has.contains("length")));
        assert_eq!(end, None);
    }
}

#[tokio::test]
async fn a_head_request_gets_no_body() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(b"HEAD / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    let (bytes, _) = client.rest().await;
    assert!(bytes.starts_with(b"HTTP/1.1 404") && bytes.ends_with(b"\r\n\r\n"));
}

/// A client that keeps the connection for its next request must find out that it is closed.
#[tokio::test]
async fn closed_pooled_connection() {
    let closing = Reply::text("first").with_fault(Fault::ClosedPooledConnection);
    for asks in [usual(MESSAGES), streaming(MESSAGES)] {
        let simulator = Simulator::start(Script::new([closing.clone(), Reply::text("second")])).await.unwrap();
        let mut client = Client::connect(&simulator).await;
        client.send(&asks).await;
        let head = client.read_head().await;
        assert_eq!(head.header("connection"), None);
        let (body, error) = client.rest().await;
        assert!(error.is_none() && body.windows(5).any(|piece| piece == b"first"), "{error:?}");
        assert_eq!(ask(&simulator, MESSAGES).await.json()["content"][0]["text"], "second");
        let connections: Vec<_> = simulator.requests().iter().map(|request| request.connection).collect();
        assert_eq!(connections, [1, 2]);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed() {
    let hour = Duration::from_secs(3600);
    for reply in [
        Reply::fault(Fault::Silence),
        Reply::fault(Fault::SilenceInBody),
        Reply::text("late").delay(hour),
        Reply::text("late").body_delay(hour),
    ] {
        let simulator = Simulator::start(Script::new([reply])).await.unwrap();
        let mut client = Client::connect(&simulator).await;
        client.send(&usual(MESSAGES)).await;
        assert!(!soon(simulator.wait_for_requests(1)).await[0].dropped());
        drop(client);
        let requests = soon(simulator.wait_until(|requests| requests[0].dropped())).await;
        assert!(requests[0].closed_after.unwrap() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_and_goes_is_noticed() {
    let text = "x".repeat(40_000_000);
    let simulator = Simulator::start(Script::new([Reply::text(text)])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&usual(MESSAGES)).await;
    soon(simulator.wait_for_requests(1)).await;
    drop(client);
    soon(simulator.wait_until(|requests| requests[0].dropped())).await;
}

#[tokio::test]
async fn a_client_that_got_its_reply_was_not_dropped() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.ask(MESSAGES).await;
    drop(client);
    Client::connect(&simulator).await.ask(MESSAGES).await;
    assert!(simulator.requests().iter().all(|request| !request.dropped()));
}

#[tokio::test]
async fn stopping_ends_connections_and_frees_the_port() {
    let simulator = Simulator::start(Script::new([Reply::fault(Fault::Silence)])).await.unwrap();
    let address = simulator.address();
    let mut client = Client::connect(&simulator).await;
    client.send(&usual(MESSAGES)).await;
    soon(simulator.wait_for_requests(1)).await;
    soon(simulator.stop()).await;
    assert_eq!(client.rest().await.0, b"");
    let next = Simulator::start_on(address, Script::default()).await.unwrap();
    assert_eq!(next.url(), format!("http://{address}"));
}

#[tokio::test]
async fn dropping_ends_connections_too() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.ask(MESSAGES).await;
    drop(simulator);
    assert_eq!(client.rest().await.0, b"");
}
