//! Reads the provider's own events.

use serde_json::{Value, json};

/// The response that an event tells of. Most events tell of a piece only.
pub(crate) fn response(event: &[u8]) -> Option<Value> {
    data(event)?.get_mut("response").map(Value::take)
}

/// Writes an event with this id, without its prefix, in place of the response's own. That the response was created is left
/// out.
pub(crate) fn rename(event: &[u8], id: &str, out: &mut Vec<u8>) {
    // The JSON of a piece is not read: pieces are many.
    let tells_of_response = event.windows(RESPONSE.len()).any(|part| part == RESPONSE);
    let data = if tells_of_response { data(event) } else { None };
    let Some(mut data) = data else { return out.extend_from_slice(event) };
    let kind = data.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "response.created" {
        return;
    }
    if let Some(response) = data.get_mut("response").and_then(Value::as_object_mut) {
        response.insert("id".to_owned(), json!(format!("resp_{id}")));
    }
    out.extend_from_slice(format!("event: {kind}\ndata: {data}\n\n").as_bytes());
}

const RESPONSE: &[u8] = b"\"response\"";

fn data(event: &[u8]) -> Option<Value> {
    let line = event.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"data: "))?;
    serde_json::from_slice(line).ok()
}
