//! Server-sent events that the gateway or the library has written: a name, if there is one, and data.

use serde_json::Value;

/// An event.
pub(crate) enum Frame<'a> {
    /// One with JSON.
    Json(Value),
    /// A comment, or a marker such as `[DONE]`, as it is written.
    Other(&'a [u8]),
}

/// The events in these bytes.
pub(crate) fn frames(mut bytes: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    std::iter::from_fn(move || {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").map(|at| at + 2).unwrap_or(bytes.len());
        let (frame, rest) = bytes.split_at_checked(end).filter(|(frame, _)| !frame.is_empty())?;
        bytes = rest;
        Some(data(frame).map_or(Frame::Other(frame), Frame::Json))
    })
}

/// The JSON of an event.
pub(crate) fn data(event: &[u8]) -> Option<Value> {
    let mut lines = event.split(|&byte| byte == b'\n').filter_map(|line| line.strip_prefix(b"data: "));
    let first = lines.next()?;
    let more: Vec<&[u8]> = lines.collect();
    if more.is_empty() {
        return serde_json::from_slice(first).ok();
    }
    serde_json::from_slice(&[first, &more.join(&b'\n')].join(&b'\n')).ok()
}

/// The data of an event, if it stands on one line.
pub(crate) fn line(event: &[u8]) -> Option<&[u8]> {
    let data = event.strip_prefix(b"data: ")?.trim_ascii_end();
    (!data.contains(&b'\n')).then_some(data)
}

/// The name of an event, empty if it has none.
pub(crate) fn name(event: &[u8]) -> &str {
    let line = event.split(|&byte| byte == b'\n').next().and_then(|line| line.strip_prefix(b"event: "));
    line.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
}

/// Writes an event. One without a name has an empty one. A name of several lines would be several fields, so it is left out.
pub(crate) fn write(name: &str, data: &Value, out: &mut Vec<u8>) {
    if !name.is_empty() && !name.contains(char::is_control) {
        out.extend_from_slice(format!("event: {name}\n").as_bytes());
    }
    out.extend_from_slice(format!("data: {data}\n\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_comments_and_markers() {
        let mut written = b": keep-alive\n\n".to_vec();
        write("", &json!({"a": 1}), &mut written);
        write("b", &json!({"c": "\n\n"}), &mut written);
        written.extend_from_slice(b"data: [DONE]\n\n");
        let mut again = Vec::new();
        for frame in frames(&written) {
            match frame {
                Frame::Json(event) if event.get("c").is_some() => write("b", &event, &mut again),
                Frame::Json(event) => write("", &event, &mut again),
                Frame::Other(bytes) => again.extend_from_slice(bytes),
            }
        }
        assert_eq!(again, written);
        let mut odd = Vec::new();
        write("a\ndata: 1\n\n", &json!(2), &mut odd);
        assert_eq!(odd, b"data: 2\n\n");
    }
}
