//! The reason of an error: from its status, the provider's code and type, and the known wordings.

use arcllm::{ApiError, ErrorKind, ErrorReason};
use arcllm_simulator::{Format, Reply};
use serde_json::{Value, json};

use super::stage::Stage;
use crate::{
    scene::{replies, soon},
    wire::stage::{FORMATS, folder, invoke},
};

/// An error in the shape of OpenAI.
fn openai(kind: &str, code: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// An error in the shape of Anthropic.
fn anthropic(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})
}

/// Checks the reason of each error. It does not depend on the format that the provider is configured with.
async fn means(rows: &[(u16, Value, &str)]) {
    for format in FORMATS {
        let stage = Stage::new(format).await;
        for (status, body, expected) in rows {
            let error = stage.error(&Reply::json(body).with_status(*status)).await;
            assert_eq!((error.status, error.reason.as_str()), (*status, *expected), "{body}");
        }
    }
}

#[tokio::test]
async fn of_anthropics_types() {
    let row = |status, kind, reason| (status, anthropic(kind, "No."), reason);
    means(&[
        row(400, "invalid_request_error", "invalid_request"),
        row(401, "authentication_error", "authentication"),
        row(402, "billing_error", "billing"),
        row(403, "permission_error", "permission"),
        row(404, "not_found_error", "not_found"),
        row(413, "request_too_large", "context_length"),
        row(429, "rate_limit_error", "rate_limit"),
        row(500, "api_error", "server"),
        row(504, "timeout_error", "server"),
        row(529, "overloaded_error", "overloaded"),
        row(500, "overloaded_error", "overloaded"),
    ])
    .await;
}

#[tokio::test]
async fn of_openais_codes() {
    let row = |status, kind, code, reason| (status, openai(kind, code, "No."), reason);
    means(&[
        row(401, "invalid_request_error", "invalid_api_key", "authentication"),
        row(403, "request_forbidden", "unsupported_country_region_territory", "permission"),
        row(404, "invalid_request_error", "model_not_found", "not_found"),
        row(400, "invalid_request_error", "model_not_found", "not_found"),
        row(429, "tokens", "rate_limit_exceeded", "rate_limit"),
        row(429, "insufficient_quota", "insufficient_quota", "quota"),
        row(429, "insufficient_quota", "", "quota"),
        row(429, "", "insufficient_quota", "quota"),
        row(400, "invalid_request_error", "context_length_exceeded", "context_length"),
        row(400, "invalid_request_error", "content_filter", "content_filter"),
        row(400, "invalid_request_error", "content_policy_violation", "content_filter"),
        row(400, "invalid_request_error", "billing_hard_limit_reached", "billing"),
        row(400, "invalid_request_error", "unsupported_parameter", "invalid_request"),
        row(500, "server_error", "", "server"),
        row(503, "server_error", "slow_down", "overloaded"),
    ])
    .await;
}

#[tokio::test]
async fn of_the_words_of_others() {
    let google = |code, status| json!([{"error": {"code": code, "message": "No.", "status": status}}]);
    let azure = json!({"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}});
    means(&[
        (429, google(429, "RESOURCE_EXHAUSTED"), "rate_limit"),
        (503, google(503, "UNAVAILABLE"), "overloaded"),
        (403, google(403, "PERMISSION_DENIED"), "permission"),
        (401, google(401, "UNAUTHENTICATED"), "authentication"),
        (404, google(404, "NOT_FOUND"), "not_found"),
        (400, google(400, "INVALID_ARGUMENT"), "invalid_request"),
        (500, google(500, "INTERNAL"), "server"),
        (504, google(504, "DEADLINE_EXCEEDED"), "server"),
        (400, azure, "content_filter"),
        (400, json!({"error": {"code": 400, "message": "No.", "type": "exceed_context_size_error"}}), "context_length"),
        (429, json!({"error": "Model is overloaded", "error_type": "overloaded"}), "overloaded"),
        (402, openai("unknown_error", "invalid_request_error", "Insufficient Balance"), "billing"),
        (
            400,
            json!({"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}),
            "not_found",
        ),
    ])
    .await;
}

#[tokio::test]
async fn of_the_status_alone() {
    let rows = [
        (400, "invalid_request"),
        (401, "authentication"),
        (402, "billing"),
        (403, "permission"),
        (404, "not_found"),
        (405, "not_found"),
        (408, "other"),
        (410, "not_found"),
        (413, "context_length"),
        (418, "invalid_request"),
        (422, "invalid_request"),
        (429, "rate_limit"),
        (500, "server"),
        (501, "not_found"),
        (502, "server"),
        (503, "overloaded"),
        (520, "server"),
        (529, "overloaded"),
    ];
    means(&rows.map(|(status, reason)| (status, json!({"detail": "No."}), reason))).await;
    let stage = Stage::new(Format::OpenAi).await;
    for (status, reason) in rows {
        let error = stage.error(&Reply::body("text/html", "<html><title>No. No.</title>").with_status(status)).await;
        assert_eq!(error.reason.as_str(), reason, "{status}");
    }
}

#[tokio::test]
async fn of_the_wordings_for_a_conversation_that_is_too_long() {
    let wordings = [
        "prompt is too long: 213462 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "Please reduce the length of the messages or completion.",
        "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it",
        "The decoder prompt (length 9000) is longer than the maximum model length of 4096.",
        "The input (9000 tokens) is longer than the model's context length (4096 tokens).",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 9000 `inputs` tokens",
        "Input validation error: `inputs` must have less than 1024 tokens. Given: 9000",
        "prompt too long; exceeded max context length by 4 tokens",
        "Prompt contains 40010 tokens, too large for model with 32768 maximum context length",
        "The prompt is too long: 210498, model maximum context length: 131071",
        "Input is too long for requested model.",
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "litellm.ContextWindowExceededError: OpenAIException",
    ];
    let rows = wordings.map(|message| (400, openai("invalid_request_error", "", message), "context_length"));
    means(&rows).await;
    let say = |message| openai("invalid_request_error", "", message);
    let long = "This model's maximum context length is 8192 tokens.";
    means(&[
        (422, json!({"error": wordings[8], "error_type": "validation"}), "context_length"),
        (400, json!({"object": "error", "message": long, "type": "BadRequestError", "code": 400}), "context_length"),
        (500, say(long), "context_length"),
        // The status says something else.
        (429, say(long), "rate_limit"),
        (401, say(long), "authentication"),
        // No other wording counts.
        (429, say("You exceeded your current quota, please check your plan and billing details."), "rate_limit"),
        (400, say("Your credit balance is too low: billing_error"), "invalid_request"),
        (400, say("rate_limit_exceeded, content_filter, invalid_api_key, model_not_found"), "invalid_request"),
    ])
    .await;
}

#[tokio::test]
async fn of_an_error_in_a_200() {
    let stage = Stage::new(Format::Anthropic).await;
    for (kind, reason) in
        [("overloaded_error", "overloaded"), ("rate_limit_error", "rate_limit"), ("api_error", "server")]
    {
        assert_eq!(stage.error(&Reply::json(&anthropic(kind, "No."))).await.reason.as_str(), reason);
    }
    let long = "prompt is too long: 9 tokens > 8 maximum";
    let error = stage.error(&Reply::json(&anthropic("invalid_request_error", long))).await;
    assert_eq!((error.status, error.reason), (400, ErrorReason::ContextLength));
    let stage = Stage::new(Format::OpenAi).await;
    for (code, reason) in
        [("rate_limit_exceeded", "rate_limit"), ("insufficient_quota", "quota"), ("model_not_found", "not_found")]
    {
        assert_eq!(stage.error(&Reply::json(&openai("x", code, "No."))).await.reason.as_str(), reason);
    }
    let refused = stage
        .error(&Reply::body("text/event-stream", format!("data: {}\n\n", openai("insufficient_quota", "", "No."))))
        .await;
    assert_eq!((refused.status, refused.reason), (429, ErrorReason::Quota));
}

/// The object under `error` has `reason`, and reading it gives the same error. Text shows it as before.
#[tokio::test]
async fn the_command_prints_it() {
    let body = openai("insufficient_quota", "insufficient_quota", "Pay first.");
    let provider = replies([Reply::json(&body).with_status(429)]).await;
    let output = soon(invoke(&folder(Format::OpenAi, &provider), &["Hi"])).await;
    let error = &output.json().unwrap()["error"];
    assert_eq!(output.code, 1);
    assert_eq!((&error["kind"], &error["status"], &error["reason"]), (&json!("api"), &json!(429), &json!("quota")));
    let read: arcllm::Error = serde_json::from_value(error.clone()).unwrap();
    let ErrorKind::Api(ApiError { reason, .. }) = &read.kind else { panic!("{read:?}") };
    assert_eq!(*reason, ErrorReason::Quota);
    assert_eq!(read.to_string(), "main answered 429: Pay first. (request req_sim000001)");
}
