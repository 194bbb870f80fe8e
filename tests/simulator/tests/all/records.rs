//! What the simulator records of requests.

use arcllm_simulator::{Format, Reply, Script, Simulator};
use serde_json::json;

use crate::client::{COMPLETIONS, Client, MESSAGES, ask, request, soon};

async fn sent(path: &str, headers: &str) -> arcllm_simulator::Recorded {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&request(path, headers, &json!({"model": "m"}))).await;
    client.read().await;
    simulator.requests().remove(0)
}

#[tokio::test]
async fn a_request_is_recorded_as_it_came() {
    let recorded = sent("/base/v1/messages?beta=1", "X-Note: One\r\nx-note: Two\r\n").await;
    assert_eq!((recorded.number, recorded.connection), (1, 1));
    assert_eq!((recorded.method.as_str(), recorded.path.as_str()), ("POST", "/base/v1/messages?beta=1"));
    assert_eq!(recorded.format, Some(Format::Anthropic));
    assert_eq!(recorded.body, json!({"model": "m"}));
    assert_eq!(recorded.header("X-NOTE"), Some("One"));
    assert!(recorded.headers.contains(&("x-note".to_owned(), "Two".to_owned())));
    assert_eq!(recorded.reply, "200");
    assert_eq!(sent(COMPLETIONS, "").await.format, Some(Format::OpenAi));
    assert_eq!(sent("/elsewhere", "").await.format, None);
}

#[tokio::test]
async fn keys_are_compared_but_not_kept() {
    for (header, kept) in [
        ("Authorization: Bearer sk-secret", "Bearer [redacted]"),
        ("authorization: sk-secret", "[redacted]"),
        ("proxy-authorization: Basic sk-secret", "Basic [redacted]"),
        ("x-api-key: sk-secret", "[redacted]"),
        ("api-key: sk-secret", "[redacted]"),
        ("cookie: sk-secret", "[redacted]"),
    ] {
        let recorded = sent(MESSAGES, &format!("{header}\r\n")).await;
        let name = header.split(':').next().unwrap();
        assert_eq!(recorded.header(name), Some(kept));
        assert!(recorded.authorized_with("sk-secret"));
        assert!(!recorded.authorized_with("sk-other") && !recorded.authorized_with(""));
        assert!(!format!("{recorded:?}").contains("sk-secret"));
    }
    let odd = sent(MESSAGES, "authorization: sk-first sk-second\r\n").await;
    assert_eq!(odd.header("authorization"), Some("[redacted]"));
    assert!(!sent(MESSAGES, "").await.authorized_with("sk-secret"));
}

#[tokio::test]
async fn bodies_that_are_not_json_are_strings() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(b"POST /v1/messages HTTP/1.1\r\ncontent-length: 4\r\n\r\nnope").await;
    assert_eq!(client.read().await.status, 200);
    client.send(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.read().await.status, 404);
    let bodies: Vec<_> = simulator.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [json!("nope"), json!("")]);
}

#[tokio::test]
async fn the_log_shows_each_request_once_and_then_the_end() {
    let simulator = Simulator::start(Script::new([Reply::status(429)])).await.unwrap();
    let mut log = simulator.log();
    let reader = tokio::spawn(async move {
        let mut lines = Vec::new();
        while let Some(request) = log.next().await {
            lines.push(format!("{} {} {} {}", request.number, request.method, request.path, request.reply));
        }
        lines
    });
    ask(&simulator, MESSAGES).await;
    soon(simulator.wait_for_requests(1)).await;
    ask(&simulator, COMPLETIONS).await;
    simulator.stop().await;
    let lines = soon(reader).await.unwrap();
    assert_eq!(lines, ["1 POST /v1/messages 429", "2 POST /v1/chat/completions 200"]);
}

#[tokio::test]
async fn forgotten_requests_leave_the_numbers_alone() {
    let simulator = Simulator::start(Script::default()).await.unwrap();
    let mut log = simulator.log();
    ask(&simulator, MESSAGES).await;
    assert_eq!(soon(log.next()).await.unwrap().number, 1);
    simulator.forget_requests();
    assert!(simulator.requests().is_empty());
    ask(&simulator, MESSAGES).await;
    assert_eq!(soon(log.next()).await.unwrap().number, 2);
    assert_eq!(soon(simulator.wait_for_requests(1)).await.len(), 1);
}
