//! How a response of OpenAI Responses ended: its `status`, and why it is incomplete.

use serde_json::{Value, json};

use crate::adapter::format::{
    ending,
    json::JsonNode,
    malformed::{Malformed, Unreadable},
    refusal,
};

/// The server's word for why the answer ended. `None` if it does not say.
pub(crate) fn word(response: &JsonNode<'_>) -> Option<String> {
    let status = ending::word(response, "status").filter(|status| status != "queued")?;
    let reason = response.get("incomplete_details").and_then(|details| ending::word(&details, "reason"));
    match status.as_str() {
        "incomplete" => reason.or(Some(status)),
        _ => Some(status),
    }
}

/// Fails if the answer ended with this word because the server failed, or has not ended.
pub(crate) fn refuse(response: &JsonNode<'_>, word: Option<&str>) -> Result<(), Unreadable> {
    let status = response.value.get("status").and_then(Value::as_str).unwrap_or_default();
    match word {
        None if matches!(status, "in_progress" | "queued") => {
            let what = format!("`status` is {status:?}: the answer is not complete");
            Err(Malformed(what).into())
        }
        Some(word) => refusal::refuse_ending(word),
        None => Ok(()),
    }
}

/// The error of a response that failed.
pub(crate) fn failure(response: &JsonNode<'_>) -> Unreadable {
    match refusal::refuse_errors(response, "") {
        Err(error) => error,
        Ok(()) => {
            let message = "the provider ended the answer with `failed`";
            Unreadable::Error { status: 500, body: json!({"error": {"message": message, "type": "failed"}}) }
        }
    }
}
