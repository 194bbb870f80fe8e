//! Reads the provider's own events.

use serde_json::{Value, json};

use crate::client::sse;

/// The response that an event tells of. Most events tell of a piece only.
pub(crate) fn response(event: &[u8]) -> Option<Value> {
    sse::data(event)?.get_mut("response").map(Value::take)
}

/// Writes an event with the next number, and with this id, without its prefix, in place of the response's own. Then the response was
/// told of before, and that it was created is left out.
pub(crate) fn write(event: &[u8], id: Option<&str>, sequence: &mut u64, out: &mut Vec<u8>) {
    let Some(mut data) = sse::data(event) else { return out.extend_from_slice(event) };
    let kind = data.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if id.is_some() && kind == "response.created" {
        return;
    }
    if let (Some(id), Some(response)) = (id, data.get_mut("response").and_then(Value::as_object_mut)) {
        response.insert("id".to_owned(), json!(format!("resp_{id}")));
    }
    if let Some(number) = data.get_mut("sequence_number") {
        *number = (*sequence).into();
    }
    *sequence += 1;
    sse::write(&kind, &data, out);
}
