//! Errors in valid HTTP, and bodies that the script gives.

use std::time::Duration;

use arcllm_simulator::{Fault, Place, Reply, Script, Simulator};
use serde_json::json;

use crate::client::{COMPLETIONS, MESSAGES, ask};

async fn simulator(replies: impl IntoIterator<Item = Reply>) -> Simulator {
    Simulator::start(Script::new(replies)).await.unwrap()
}

#[tokio::test]
async fn errors_of_anthropic() {
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ] {
        let response = ask(&simulator([Reply::error(status, "no")]).await, MESSAGES).await;
        assert_eq!(response.status, status);
        assert_eq!(
            response.json(),
            json!({
                "type": "error",
                "error": {"type": kind, "message": "no"},
                "request_id": response.header("request-id"),
            })
        );
    }
}

#[tokio::test]
async fn errors_of_openai() {
    for (status, kind) in [(401, "invalid_request_error"), (429, "requests"), (500, "server_error")] {
        let response = ask(&simulator([Reply::error(status, "no")]).await, COMPLETIONS).await;
        assert_eq!(response.status, status);
        assert_eq!(response.json(), json!({"error": {"message": "no", "type": kind, "param": null, "code": null}}));
    }
}

#[tokio::test]
async fn a_status_alone_is_an_error_with_a_message() {
    let simulator = simulator([Reply::status(429).header("Retry-After", "1")]).await;
    let response = ask(&simulator, MESSAGES).await;
    assert_eq!(response.status, 429);
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(response.json()["error"]["message"], "too many requests (simulated)");
}

#[tokio::test]
async fn an_error_can_come_with_status_200() {
    let response = ask(&simulator([Reply::error(200, "surprise")]).await, MESSAGES).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["error"]["message"], "surprise");
}

#[tokio::test]
async fn bodies_of_the_script_are_sent_as_they_are() {
    let page = Reply::body("text/html", "<h1>502</h1>").with_status(502);
    let simulator = simulator([page, Reply::json(&json!({"any": ["thing"]}))]).await;
    let first = ask(&simulator, COMPLETIONS).await;
    assert_eq!((first.status, first.header("content-type")), (502, Some("text/html")));
    assert_eq!(first.body, b"<h1>502</h1>");
    assert_eq!(ask(&simulator, COMPLETIONS).await.json(), json!({"any": ["thing"]}));
}

#[tokio::test]
async fn replies_can_be_late() {
    let moment = Duration::from_millis(30);
    let simulator = simulator([Reply::text("late").delay(moment).body_delay(moment)]).await;
    let start = std::time::Instant::now();
    assert_eq!(ask(&simulator, MESSAGES).await.status, 200);
    assert!(start.elapsed() >= 2 * moment);
    assert_eq!(simulator.requests()[0].reply, "200 after 0.03 s");
}

#[tokio::test]
async fn invalid_replies_are_refused_at_the_start() {
    for (reply, says) in [
        (Reply::status(42), "reply 1: `status` is 42: give one from 200 to 599"),
        (Reply::text("x").pieces(0), "reply 1: `pieces` is 0: give 1 or more"),
        (Reply::text("x").piece_bytes(0), "reply 1: `piece_bytes` is 0: give 1 or more"),
        (
            Reply::text("x").fault_at(Place::Byte(1)),
            "reply 1: `fault_at` says where a `fault` happens, which is missing: add it",
        ),
        (
            Reply::fault(Fault::Silence).fault_at(Place::Byte(1)),
            "reply 1: `fault_at` says where in the body a fault happens, and `silence` has no place there: leave one of \
             them out",
        ),
        (Reply::text("x").times(0), "reply 1: `times` is 0: give 1 or more, or leave the reply out"),
        (
            Reply::text("x").header("bad name", "x"),
            "reply 1: `headers`: \"bad name\" is no header name: give letters, digits and `-`",
        ),
        (
            Reply::text("x").header("x-a", "1\r\nx-b: 2"),
            "reply 1: `headers`: the value \"1\\r\\nx-b: 2\" of \"x-a\" holds a control character: take it out",
        ),
    ] {
        let error = Simulator::start(Script::new([reply.clone()])).await.unwrap_err();
        assert_eq!(error.to_string(), says);
        assert!(simulator([]).await.push(reply).is_err());
    }
}
