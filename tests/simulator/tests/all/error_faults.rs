//! Errors that come with status 200, whole and as events, and errors in odd shapes.

use arcllm_simulator::{Fault, Place, Reply, Script, Simulator};
use serde_json::{Value, json};

use crate::client::{COMPLETIONS, Client, MESSAGES, ask, streaming};
use crate::sse::{data, stream};

async fn whole(reply: Reply, path: &str) -> (u16, Value) {
    let simulator = Simulator::start(Script::new([reply])).await.unwrap();
    let response = ask(&simulator, path).await;
    assert_eq!(response.header("content-type"), Some("application/json"));
    (response.status, response.json())
}

fn openai(message: &str, kind: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": null}})
}

fn anthropic(message: &str, kind: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_sim000001"})
}

/// The only event of the stream.
async fn event(reply: Reply, path: &str) -> Value {
    let events = data(reply, path).await;
    assert_eq!(events.len(), 1, "{events:?}");
    serde_json::from_str(&events[0]).unwrap()
}

#[tokio::test]
async fn error_in_200() {
    let overloaded = || Reply::fault(Fault::ErrorIn200);
    let boom = || Reply::error(500, "boom").with_fault(Fault::ErrorIn200);
    let limit = || Reply::status(429).with_fault(Fault::ErrorIn200);
    for (reply, path, body) in [
        (overloaded(), MESSAGES, anthropic("the service is overloaded (simulated)", "overloaded_error")),
        (overloaded(), COMPLETIONS, openai("the service is unavailable (simulated)", "server_error")),
        (boom(), MESSAGES, anthropic("boom", "api_error")),
        (boom(), COMPLETIONS, openai("boom", "server_error")),
        (limit(), COMPLETIONS, openai("too many requests (simulated)", "requests")),
    ] {
        assert_eq!(whole(reply.clone(), path).await, (200, body.clone()));
        assert_eq!(event(reply, path).await, body);
    }
}

#[tokio::test]
async fn unknown_error_in_200() {
    let boom = || Reply::error(503, "boom").with_fault(Fault::UnknownErrorIn200);
    for (path, body) in
        [(MESSAGES, anthropic("boom", "simulated_failure")), (COMPLETIONS, openai("boom", "simulated_failure"))]
    {
        assert_eq!(whole(boom(), path).await, (200, body.clone()));
        assert_eq!(event(boom(), path).await, body);
    }
}

#[tokio::test]
async fn error_as_text() {
    let body = json!({"error": "Overloaded, try later"});
    for path in [MESSAGES, COMPLETIONS] {
        let later = |status| Reply::error(status, "Overloaded, try later").with_fault(Fault::ErrorAsText);
        assert_eq!(whole(later(200), path).await, (200, body.clone()));
        assert_eq!(whole(later(503), path).await, (503, body.clone()));
        assert_eq!(event(later(200), path).await, body);
        let raw = stream(later(200), path).await.text();
        assert_eq!(raw, "data: {\"error\":\"Overloaded, try later\"}\n\n");
    }
    // A stream that is asked for gets the status of the error, too.
    let later = Reply::error(503, "later").with_fault(Fault::ErrorAsText);
    let simulator = Simulator::start(Script::new([later])).await.unwrap();
    let mut client = Client::connect(&simulator).await;
    client.send(&streaming(COMPLETIONS)).await;
    let response = client.read().await;
    assert_eq!((response.status, response.json()), (503, json!({"error": "later"})));
}

#[tokio::test]
async fn an_error_has_its_place() {
    for fault in [Fault::ErrorEvent, Fault::ErrorIn200, Fault::UnknownErrorIn200, Fault::ErrorAsText] {
        for path in [MESSAGES, COMPLETIONS] {
            let usual = data(Reply::text("one two"), path).await;
            let broken = data(Reply::text("one two").with_fault(fault).fault_at(Place::BeforeEvent(4)), path).await;
            assert_eq!((broken.len(), &broken[..3]), (4, &usual[..3]));
            assert!(broken[3].contains("\"error\":"), "{broken:?}");
        }
    }
}

#[tokio::test]
async fn error_event() {
    for (path, body) in [
        (MESSAGES, anthropic("the service is overloaded (simulated)", "overloaded_error")),
        (COMPLETIONS, openai("the service is unavailable (simulated)", "server_error")),
    ] {
        let usual = data(Reply::text("one two"), path).await;
        let broken = data(Reply::text("one two").with_fault(Fault::ErrorEvent), path).await;
        let middle = usual.len() / 2;
        assert_eq!((broken.len(), &broken[..middle]), (middle + 1, &usual[..middle]));
        assert_eq!(serde_json::from_str::<Value>(&broken[middle]).unwrap(), body);
        assert_eq!(whole(Reply::fault(Fault::ErrorEvent), path).await, (200, body));
    }
}
