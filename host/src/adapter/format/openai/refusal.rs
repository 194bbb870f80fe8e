//! Finds errors that OpenAI-compatible servers send with a 2xx status.

use serde_json::{Value, json};

use crate::adapter::format::{format::Unreadable, json::JsonNode};

/// Fails if the body is an error, in any of the shapes that servers use.
pub(crate) fn refuse_errors(root: &JsonNode<'_>) -> Result<(), Unreadable> {
    let error = match root.get("error").filter(says_something) {
        Some(error) => error.value,
        // Old versions of vLLM.
        None if root.text("object") == Some("error") => root.value,
        None => return Ok(()),
    };
    Err(unreadable(error, root))
}

/// Fails if the choice is an error. Routers send errors of the provider behind them in this way.
pub(crate) fn refuse_error_of_choice(choice: &JsonNode<'_>) -> Result<(), Unreadable> {
    match choice.get("error").filter(says_something) {
        Some(error) => Err(unreadable(error.value, choice)),
        None => Ok(()),
    }
}

fn says_something(error: &JsonNode<'_>) -> bool {
    match error.value {
        Value::Object(fields) => !fields.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) | Value::Array(_) => true,
    }
}

fn unreadable(error: &Value, place: &JsonNode<'_>) -> Unreadable {
    match status(error) {
        Some(status) => Unreadable::Error { status, body: json!({"error": error}) },
        None => place.malformed("is an error without a status").into(),
    }
}

/// The status of the error: from its numbers, else from its words.
fn status(error: &Value) -> Option<u16> {
    let fields = ["code", "status", "status_code", "type"].into_iter().filter_map(|name| error.get(name));
    let numbers = fields.clone().filter_map(|field| match field {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    });
    let number = numbers.filter_map(|number| u16::try_from(number).ok()).find(|number| (400..=599).contains(number));
    number.or_else(|| fields.filter_map(Value::as_str).find_map(status_of_word))
}

fn status_of_word(word: &str) -> Option<u16> {
    Some(match word.to_ascii_lowercase().as_str() {
        "invalid_request_error" | "badrequesterror" | "context_length_exceeded" | "exceed_context_size_error" => 400,
        "authentication_error" | "invalid_api_key" => 401,
        "billing_error" => 402,
        "permission_error" | "permission_denied" => 403,
        "not_found_error" | "notfounderror" | "model_not_found" => 404,
        "request_too_large" => 413,
        "rate_limit_exceeded" | "rate_limit_error" | "insufficient_quota" | "tokens" | "requests" => 429,
        "server_error" | "internal_error" | "internal_server_error" | "internalservererror" | "api_error" => 500,
        "overloaded" | "overloaded_error" | "unavailable" | "unavailable_error" | "service_unavailable" => 503,
        "timeout" | "timeout_error" => 504,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (error, expected) in [
            (json!({"code": 429}), Some(429)),
            (json!({"code": "503", "type": "x"}), Some(503)),
            (json!({"code": 200, "type": "server_error"}), Some(500)),
            (json!({"code": "rate_limit_exceeded", "type": "invalid_request_error"}), Some(429)),
            (json!({"code": null, "type": "insufficient_quota"}), Some(429)),
            (json!({"type": "Overloaded"}), Some(503)),
            (json!({"code": 400, "object": "error", "type": "BadRequestError"}), Some(400)),
            (json!({"code": 600}), None),
            (json!({"code": 4e9}), None),
            (json!({"message": "no"}), None),
            (json!("no"), None),
        ] {
            assert_eq!(status(&error), expected, "{error}");
        }
    }
}
