//! Writes errors.

use arcllm::ErrorReason;
use http::StatusCode;
use serde_json::{Value, json};

use crate::client::problem::Problem;

const REQUEST: &str = "invalid_request_error";
const SERVER: &str = "server_error";

/// The JSON of an error.
pub(crate) fn write(problem: &Problem) -> Vec<u8> {
    let (kind, code) = words(problem);
    let message = &problem.message;
    let own = problem.own_words("openai");
    let param = own.param.cloned().or_else(|| param(problem, message).map(Value::from));
    let (kind, code) =
        (own.kind.cloned().unwrap_or_else(|| kind.into()), own.code.cloned().unwrap_or_else(|| code.into()));
    let error = json!({"error": {"message": message, "type": kind, "param": param, "code": code}});
    problem.with_further_fields("openai", error).to_string().into_bytes()
}

/// OpenAI's words for an error: its type and its code.
fn words(problem: &Problem) -> (&'static str, Option<&'static str>) {
    match &problem.reason {
        Some(ErrorReason::Other(_)) | None => words_of_status(problem.status),
        Some(reason) => words_of_reason(reason),
    }
}

fn words_of_reason(reason: &ErrorReason) -> (&'static str, Option<&'static str>) {
    match reason {
        ErrorReason::RateLimit => ("requests", Some("rate_limit_exceeded")),
        ErrorReason::Quota => ("insufficient_quota", Some("insufficient_quota")),
        ErrorReason::Billing => ("billing_not_active", Some("billing_not_active")),
        ErrorReason::Overloaded => ("service_unavailable_error", Some("server_is_overloaded")),
        ErrorReason::ContextLength => (REQUEST, Some("context_length_exceeded")),
        ErrorReason::ContentFilter => (REQUEST, Some("content_filter")),
        ErrorReason::Authentication => (REQUEST, Some("invalid_api_key")),
        ErrorReason::Permission => (REQUEST, Some("insufficient_permissions")),
        ErrorReason::NotFound => (REQUEST, Some("model_not_found")),
        ErrorReason::InvalidRequest => (REQUEST, None),
        _ => (SERVER, None),
    }
}

fn words_of_status(status: StatusCode) -> (&'static str, Option<&'static str>) {
    match status.as_u16() {
        // Too large in bytes. A conversation that does not fit into the model has a reason.
        405 | 413 => (REQUEST, None),
        501 => (SERVER, None),
        status @ (401..=404 | 429 | 503 | 529) => words_of_reason(&ErrorReason::of_status(status)),
        400..=499 => (REQUEST, None),
        _ => (SERVER, None),
    }
}

/// The place in the request that is wrong. Some messages name it in their first line.
fn param(problem: &Problem, message: &str) -> Option<String> {
    let place = || {
        let names = ["messages[", "tools[", "response_format", "tool_choice", "reasoning_effort"];
        let is_place = |word: &&str| names.iter().any(|name| word.starts_with(name));
        let place = message.lines().next()?.split_whitespace().find(is_place)?;
        Some(place.trim_end_matches([':', ',']).to_owned())
    };
    let is_wrong_request = problem.status == StatusCode::BAD_REQUEST && problem.reason.is_none();
    problem.param.clone().or_else(|| place().filter(|_| is_wrong_request))
}
