//! Replies that are no answers at all.

use arcllm_simulator::{Fault, Reply, Script, Simulator};
use serde_json::{Value, json};

use crate::client::{COMPLETIONS, Client, MESSAGES, Response, ask, streaming};
use crate::sse::{data, stream};

const PATHS: [&str; 2] = [MESSAGES, COMPLETIONS];

/// The reply to a request without streaming, and to one with it where that is not a stream either.
async fn both(reply: Reply, path: &str) -> [Response; 2] {
    let simulator = Simulator::start(Script::new([reply.times(2)])).await.unwrap();
    let whole = ask(&simulator, path).await;
    let mut client = Client::connect(&simulator).await;
    client.send(&streaming(path)).await;
    [whole, client.read().await]
}

#[tokio::test]
async fn empty_body() {
    for path in PATHS {
        let simulator = Simulator::start(Script::new([Reply::fault(Fault::EmptyBody)])).await.unwrap();
        let response = ask(&simulator, path).await;
        assert_eq!((response.status, response.header("content-length")), (200, Some("0")));
        let streamed = stream(Reply::fault(Fault::EmptyBody), path).await;
        assert!(streamed.head.contains("text/event-stream") && streamed.is_ended && streamed.error.is_none());
        assert!(streamed.chunks.is_empty());
    }
}

#[tokio::test]
async fn html_body() {
    for path in PATHS {
        for response in both(Reply::fault(Fault::HtmlBody), path).await {
            assert_eq!((response.status, response.header("content-type")), (200, Some("text/html; charset=UTF-8")));
            assert_eq!(response.header("cf-ray"), None);
            let text = String::from_utf8(response.body).unwrap();
            assert!(text.starts_with("<!DOCTYPE html>") && text.contains("<title>Sign in</title>"), "{text}");
        }
        for response in both(Reply::status(502).with_fault(Fault::HtmlBody), path).await {
            assert_eq!((response.status, response.header("content-type")), (502, Some("text/html; charset=UTF-8")));
            let ray = response.header("cf-ray").unwrap().to_owned();
            let text = String::from_utf8(response.body).unwrap();
            assert!(text.contains("<title>502 Bad Gateway</title>"), "{text}");
            assert!(text.contains(&format!("Ray ID: <strong>{ray}</strong>")), "{text}");
        }
    }
}

#[tokio::test]
async fn text_body() {
    for status in [200, 503] {
        for response in both(Reply::status(status).with_fault(Fault::TextBody), COMPLETIONS).await {
            assert_eq!((response.status, response.header("content-type")), (status, Some("text/plain; charset=utf-8")));
            assert_eq!(response.body, b"upstream request failed (simulated)\n");
        }
    }
}

#[tokio::test]
async fn null_and_empty_choices() {
    for (fault, nothing) in [(Fault::NullChoices, Value::Null), (Fault::EmptyChoices, json!([]))] {
        let simulator = Simulator::start(Script::new([Reply::fault(fault).times(2)])).await.unwrap();
        for (path, key) in [(COMPLETIONS, "choices"), (MESSAGES, "content")] {
            let body = ask(&simulator, path).await.json();
            assert_eq!((&body[key], body.get("usage")), (&nothing, None));
        }
        let chunks = data(Reply::fault(fault), COMPLETIONS).await;
        assert_eq!((chunks.len(), chunks[1].as_str()), (2, "[DONE]"));
        let chunk: Value = serde_json::from_str(&chunks[0]).unwrap();
        assert_eq!((&chunk["choices"], chunk.get("usage")), (&nothing, None));
        let events = data(Reply::fault(fault), MESSAGES).await;
        assert_eq!((events.len(), events[1].as_str()), (2, "{\"type\":\"message_stop\"}"));
        let start: Value = serde_json::from_str(&events[0]).unwrap();
        assert_eq!((&start["message"]["content"], start["message"].get("usage")), (&nothing, None));
    }
}
