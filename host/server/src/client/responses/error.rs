//! Writes errors.

use arcllm::ErrorReason;
use http::StatusCode;
use serde_json::{Value, json};

use crate::client::problem::Problem;

/// The JSON of an error.
pub(crate) fn body(problem: &Problem) -> Value {
    problem.with_further_fields("openai", json!({"error": nested(problem)}))
}

/// The error itself, as it stands in a body and in the event `error`.
pub(crate) fn nested(problem: &Problem) -> Value {
    let own = problem.own_words("openai");
    // Chat Completions has other words for what both formats know.
    let is_known = !matches!(problem.reason, None | Some(ErrorReason::InvalidRequest | ErrorReason::Other(_)));
    let kind = own.kind.filter(|_| !is_known).cloned().unwrap_or_else(|| kind(problem).into());
    let code = own.code.cloned().unwrap_or_else(|| code(problem).into());
    let param = own.param.cloned().unwrap_or_else(|| problem.param.clone().into());
    json!({"message": problem.message, "type": kind, "param": param, "code": code})
}

/// The word for the error in a response that failed. It is never absent there.
pub(crate) fn code_of_response(problem: &Problem) -> &'static str {
    code(problem).unwrap_or("server_error")
}

/// OpenAI's class of the error.
fn kind(problem: &Problem) -> &'static str {
    match problem.status {
        _ if problem.reason == Some(ErrorReason::Quota) => "insufficient_quota",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_client_error() => "invalid_request_error",
        _ => "server_error",
    }
}

/// The words that Codex and the SDKs know.
fn code(problem: &Problem) -> Option<&'static str> {
    let by_status = match problem.status {
        StatusCode::UNAUTHORIZED => Some("invalid_api_key"),
        StatusCode::FORBIDDEN => Some("insufficient_permissions"),
        StatusCode::NOT_FOUND if problem.param.as_deref() == Some("model") => Some("model_not_found"),
        StatusCode::TOO_MANY_REQUESTS => Some("rate_limit_exceeded"),
        StatusCode::SERVICE_UNAVAILABLE => Some("server_is_overloaded"),
        _ => None,
    };
    match &problem.reason {
        Some(ErrorReason::Quota | ErrorReason::Billing) => Some("insufficient_quota"),
        Some(ErrorReason::ContextLength) => Some("context_length_exceeded"),
        Some(ErrorReason::ContentFilter) => Some("content_filter"),
        Some(ErrorReason::RateLimit) => Some("rate_limit_exceeded"),
        Some(ErrorReason::Overloaded) => Some("server_is_overloaded"),
        _ => by_status,
    }
}
