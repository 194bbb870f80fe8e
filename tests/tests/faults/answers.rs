//! Responses with a status of success that are not answers.

use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::{
    Broken, Fault,
    stage::{BOTH_FORMATS, OTHER_WAY_ROUND, RESPONSES, Setup, play_all},
};

#[tokio::test]
async fn malformed_bodies() {
    let body = |body: &str| Reply::body("application/json", body);
    let faults = [
        Fault::no_answer(Reply::fault(Broken::Malformed), "not JSON"),
        Fault::no_answer(body(""), "empty body"),
        Fault::no_answer(body("{\"content\": "), "not JSON"),
        Fault::no_answer(body("Hello!"), "not JSON: "),
        Fault::no_answer(body("\u{0}\u{1}\u{7f}"), "not JSON"),
        Fault::no_answer(body("null"), "not an object"),
        Fault::parse(body("[]"), "not an object"),
        Fault::parse(body("{}"), "unreadable answer"),
        Fault::parse(body("{\"content\": 7, \"choices\": 7, \"output\": 7}"), "not a list"),
        Fault::no_answer(Reply::body("text/html", "<html>It works!</html>"), "): It works!"),
        Fault::no_answer(Reply::body("text/html", "<html>It works!</html>").with_status(201), "status 201"),
        Fault::no_answer(Reply::status(204), "empty body"),
    ];
    play_all(BOTH_FORMATS, &faults).await;
    play_all(RESPONSES, &faults).await;
    play_all(OTHER_WAY_ROUND, &faults).await;
}

#[tokio::test]
async fn bodies_above_the_limit() {
    let long = "x".repeat(1 << 20);
    let chunked = format!("{:x}\r\n{long}x\r\n0\r\n\r\n", long.len() + 1);
    let faults = [
        Fault::parse(Reply::text(&long), "max_response_mb"),
        Fault::parse(Reply::body("text/plain", format!("{long}x")), "max_response_mb"),
        Fault::no_answer(Reply::body("text/plain", long), "not JSON"),
        Fault::parse(
            Reply::body("text/plain", chunked).without_header("content-length").header("transfer-encoding", "chunked"),
            "max_response_mb",
        ),
    ];
    play_all(BOTH_FORMATS, &faults).await;
    play_all(OTHER_WAY_ROUND, &faults).await;
}

/// An error in the body counts, with the status that belongs to it.
#[tokio::test]
async fn errors_with_status_200() {
    let kinds = [("invalid_request_error", 400), ("authentication_error", 401), ("rate_limit_error", 429)];
    let kinds = kinds.into_iter().chain([("api_error", 500), ("timeout_error", 504)]);
    let error = |(kind, status)| {
        let error = json!({"type": "error", "error": {"type": kind, "message": "Come back later."}});
        Fault::status(status, Reply::json(&error)).saying("Come back later.")
    };
    let faults: Vec<_> = kinds.map(error).collect();
    play_all(BOTH_FORMATS, &faults).await;
    play_all(OTHER_WAY_ROUND, &faults).await;
}

async fn speaking(format: Format, errors: Vec<(Value, &str)>) {
    let fault = |(error, outcome): (Value, &str)| match outcome.parse() {
        Ok(status) => Fault::status(status, Reply::json(&error)),
        Err(_) => Fault::no_answer(Reply::json(&error), "unreadable answer"),
    };
    let faults: Vec<_> = errors.into_iter().map(fault).collect();
    play_all(Setup { formats: [format, format], ..BOTH_FORMATS }, &faults).await;
}

#[tokio::test]
async fn errors_with_status_200_in_anthropics_format() {
    let error = |error: Value| json!({"type": "error", "error": error});
    let errors = vec![
        (error(json!({"type": "overloaded_error", "message": "Overloaded"})), "529"),
        (error(json!({"type": "billing_error", "message": "Pay first."})), "402"),
        (error(json!({"type": "no_such_error", "message": "Eh?"})), "500"),
        (json!({"type": "error"}), "500"),
    ];
    speaking(Format::Anthropic, errors).await;
}

#[tokio::test]
async fn errors_with_status_200_in_openais_format() {
    let errors = vec![
        (json!({"error": {"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}}), "429"),
        (json!({"error": {"message": "Provider returned error", "code": 502}}), "502"),
        (json!({"error": {"message": "Loading", "type": "unavailable_error", "code": 503}}), "503"),
        (json!({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}), "400"),
        (json!({"id": "1", "choices": [{"error": {"code": 529, "message": "Overloaded"}}]}), "529"),
        (json!({"error": "Something went wrong."}), "500"),
        (json!({"id": "1", "choices": []}), "no answer"),
    ];
    speaking(Format::OpenAi, errors).await;
}

#[tokio::test]
async fn errors_with_status_200_in_the_format_of_responses() {
    let failed = |error: Value| json!({"object": "response", "status": "failed", "error": error, "output": []});
    let errors = vec![
        (failed(json!({"code": "rate_limit_exceeded", "message": "Slow down."})), "429"),
        (failed(json!({"code": "server_error", "message": "No."})), "500"),
        (failed(json!({"code": "invalid_prompt", "message": "No."})), "400"),
        (failed(Value::Null), "500"),
        (json!({"object": "response", "status": "cancelled", "error": null, "output": []}), "500"),
        (json!({"error": {"message": "Loading", "type": "unavailable_error", "code": 503}}), "503"),
        (json!({"object": "response", "status": "completed", "output": []}), "no answer"),
    ];
    speaking(Format::Responses, errors).await;
}
