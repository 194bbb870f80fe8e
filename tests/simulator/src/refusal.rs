//! Requests that take no reply of the script.

use serde_json::json;

use crate::format::Format;
use crate::record::Recorded;
use crate::reply::Reply;

/// What the paths of the formats end in.
const ENDPOINTS: &str = "POST to a path that ends in /v1/messages, /chat/completions or /responses";

/// The reply to a request that asks no format's endpoint for an answer. `next` is the reply that it would take.
pub(crate) fn refusal(request: &Recorded, next: &Reply) -> Option<Reply> {
    let is_endpoint = Format::of_endpoint(&request.path).is_some();
    match request.method.as_str() {
        "POST" if Format::counts_tokens(&request.path) => Some(count(request)),
        "POST" if is_endpoint => None,
        "POST" => Some(not_found(request)),
        "GET" | "HEAD" if next.needs_no_format() => None,
        "GET" | "HEAD" if !is_endpoint => Some(not_found(request)),
        _ => Some(not_allowed(request)),
    }
}

/// The count of tokens: one for every four bytes of the request, about.
fn count(request: &Recorded) -> Reply {
    Reply::json(&json!({"input_tokens": request.body.to_string().len() / 4}))
}

fn not_found(request: &Recorded) -> Reply {
    Reply::error(404, format!("the simulator has nothing at {} {}: {ENDPOINTS}", request.method, request.path))
}

fn not_allowed(request: &Recorded) -> Reply {
    let message = format!("the simulator does not allow {} at {}: {ENDPOINTS}", request.method, request.path);
    Reply::error(405, message).header("allow", "POST")
}
