//! Malformed requests: each is refused or dropped, and the next client is served.

use arcllm_simulator::{Script, Simulator};

use crate::client::{Client, MESSAGES, ask};

async fn refusal(bytes: &[u8]) -> (u16, String) {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(bytes).await;
    let response = client.read().await;
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(client.rest().await, (vec![], None));
    assert!(simulator.requests().is_empty());
    assert_eq!(ask(&simulator, MESSAGES).await.status, 200);
    (response.status, response.json()["error"]["message"].as_str().unwrap().to_owned())
}

async fn refusal_with(headers: &str, body: &str) -> (u16, String) {
    refusal(format!("POST {MESSAGES} HTTP/1.1\r\n{headers}\r\n\r\n{body}").as_bytes()).await
}

#[tokio::test]
async fn what_is_not_http() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nno colon\r\n\r\n",
        b"\0\0\0\0",
    ] {
        let (status, message) = refusal(bytes).await;
        assert_eq!(status, 400);
        assert!(message.starts_with("not an HTTP/1.1 request: "), "{message}");
    }
}

#[tokio::test]
async fn lengths_that_are_wrong() {
    for (headers, says) in [
        ("content-length: many", "content-length is \"many\", which is not a number"),
        ("content-length: -1", "content-length is \"-1\", which is not a number"),
        ("content-length: +1", "content-length is \"+1\", which is not a number"),
        ("content-length:", "content-length is \"\", which is not a number"),
        ("content-length: 1\r\ncontent-length: 2", "the content-length headers differ"),
        ("content-length: 1\r\ntransfer-encoding: chunked", "content-length and transfer-encoding exclude each other"),
        ("transfer-encoding: gzip, chunked", "the only transfer-encoding known here is chunked"),
    ] {
        assert_eq!(refusal_with(headers, "").await, (400, says.to_owned()));
    }
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    for length in ["67108865", "18446744073709551616", "99999999999999999999999999"] {
        let (status, _) = refusal_with(&format!("content-length: {length}"), "").await;
        assert_eq!(status, 413);
    }
    for size in ["4000001", "ffffffffffffffff"] {
        assert_eq!(refusal_with("transfer-encoding: chunked", &format!("{size}\r\n")).await.0, 413);
    }
}

#[tokio::test]
async fn chunks_that_are_wrong() {
    let long_extension = format!("1;{}", "x".repeat(5000));
    let long_trailer = format!("0\r\n{}", "x".repeat(70_000));
    for body in ["xyz\r\n", "fffffffffffffffff\r\n", "3\r\nabcdef\r\n", &long_extension, &long_trailer] {
        assert_eq!(refusal_with("transfer-encoding: chunked", body).await.0, 400, "{:.20}", body);
    }
}

#[tokio::test]
async fn heads_that_are_too_large() {
    let long = format!("x-long: {}", "x".repeat(70_000));
    assert_eq!(refusal_with(&long, "").await.0, 431);
    let many = "x-many: 1\r\n".repeat(200);
    assert_eq!(refusal_with(many.trim_end(), "").await.0, 431);
    assert_eq!(refusal(&[b'A'; 70_000]).await.0, 431);
}

#[tokio::test]
async fn requests_that_never_become_whole() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let unfinished = ["", "POST /v1", "POST /v1/messages HTTP/1.1\r\ncontent-length: 10\r\n\r\n{"];
    for bytes in unfinished {
        let mut client = Client::connect(&simulator).await;
        client.send(bytes.as_bytes()).await;
    }
    assert_eq!(ask(&simulator, MESSAGES).await.status, 200);
    assert_eq!(simulator.requests().len(), 1);
}
