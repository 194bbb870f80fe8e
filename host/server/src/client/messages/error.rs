//! Writes an error: <https://docs.claude.com/en/api/errors>.

use arcllm::ErrorReason;
use serde_json::{Value, json};

use crate::client::problem::Problem;

/// An error as JSON.
pub(crate) fn json(problem: &Problem) -> Value {
    let own = problem.own_words("anthropic").kind.and_then(Value::as_str);
    let error = json!({
        "type": "error",
        "error": {"type": own.unwrap_or_else(|| kind(problem)), "message": problem.message},
        "request_id": problem.request_id,
    });
    problem.with_further_fields("anthropic", error)
}

/// The word for an error: what the provider means by it, else what the status says.
fn kind(problem: &Problem) -> &'static str {
    match &problem.reason {
        Some(ErrorReason::Overloaded) => return "overloaded_error",
        Some(ErrorReason::RateLimit) => return "rate_limit_error",
        Some(ErrorReason::Quota | ErrorReason::Billing) => return "billing_error",
        Some(ErrorReason::Authentication) => return "authentication_error",
        Some(ErrorReason::Permission) => return "permission_error",
        _ => {}
    }
    match problem.status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn words_of_errors() {
        let problem = |status: u16| Problem::new(StatusCode::from_u16(status).unwrap(), "no");
        for (status, kind) in [
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (402, "billing_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (413, "request_too_large"),
            (422, "invalid_request_error"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (501, "api_error"),
            (502, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
            (529, "overloaded_error"),
        ] {
            let error = json(&problem(status));
            assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!(kind)), "{status}");
        }
        let of_reason =
            |status, reason| json(&Problem { reason: Some(reason), ..problem(status) })["error"]["type"].clone();
        assert_eq!(of_reason(500, ErrorReason::Overloaded), "overloaded_error");
        assert_eq!(of_reason(429, ErrorReason::Quota), "billing_error");
        assert_eq!(of_reason(400, ErrorReason::ContextLength), "invalid_request_error");
    }
}
