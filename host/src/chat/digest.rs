//! The SHA-256 of what a request asks.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::chat::{options::Options, original::Original, request::Request};

/// The fields of a body that do not change what is asked: whom, and how the answer comes.
const APART: [&str; 3] = ["model", "stream", "stream_options"];

/// The SHA-256 of what is asked, in hexadecimal: the same for equal requests, however the keys of their JSON are ordered. Labels, the
/// deadline and the trace do not count, since no provider sees them. Nor does it count whether the answer is streamed.
///
/// The original of a gateway's client counts too: a provider of its format may be sent fields and headers that nobody here knows.
pub(crate) fn digest_of(request: &Request) -> String {
    let Request { messages, tools, options, extensions, original } = request;
    let asked = Options { deadline: None, traceparent: None, labels: Default::default(), ..options.clone() };
    let mut hasher = Sha256::new();
    for message in messages {
        add(&mut hasher, message);
    }
    // A message is an object, and what follows the messages is none.
    hasher.update(b"/");
    for tool in tools {
        add(&mut hasher, tool);
    }
    hasher.update(b"/");
    add(&mut hasher, &asked);
    add(&mut hasher, extensions);
    if let Some(original) = original.given() {
        hasher.update(b"/");
        add(&mut hasher, &original.headers);
    }
    if let Some(original) = original.unchanged() {
        add_body(&mut hasher, original);
    }
    format!("{:x}", hasher.finalize())
}

/// Adds a part of the request, as JSON with sorted keys.
fn add(hasher: &mut Sha256, part: &impl Serialize) {
    // Every part of a request becomes JSON: its maps have texts as keys. NaN becomes null.
    if let Ok(value) = serde_json::to_value(part) {
        write(hasher, &value);
    }
}

fn add_body(hasher: &mut Sha256, original: &Original) {
    text(hasher, original.format.as_str());
    match serde_json::from_slice(&original.body) {
        Ok(Value::Object(mut body)) => {
            body.retain(|name, _| !APART.contains(&name.as_str()));
            write(hasher, &body.into());
        }
        // It is none of a gateway.
        _ => hasher.update(&original.body),
    }
}

fn write(hasher: &mut Sha256, value: &Value) {
    match value {
        Value::Array(items) => {
            hasher.update(b"[");
            items.iter().for_each(|item| write(hasher, item));
            hasher.update(b"]");
        }
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            hasher.update(b"{");
            for (key, field) in sorted {
                text(hasher, key);
                write(hasher, field);
            }
            hasher.update(b"}");
        }
        Value::String(value) => text(hasher, value),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => {
            hasher.update(plain.to_string());
            hasher.update(b",");
        }
    }
}

/// With its length, so that no text reads like what surrounds it.
fn text(hasher: &mut Sha256, text: &str) {
    hasher.update(b"\"");
    hasher.update(text.len().to_le_bytes());
    hasher.update(text);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::chat::{message::Message, tool::Tool, wire_format::WireFormat};

    fn request() -> Request {
        let schema = json!({"type": "object", "properties": {"a": {}, "b": {}}});
        Request::new([Message::user("Hi")])
            .with_tools([Tool::new("look", "", schema)])
            .with_options(Options::new().temperature(0.5))
    }

    #[test]
    fn equal_requests_have_equal_digests() {
        let same = || digest_of(&request());
        assert_eq!(same(), same());
        let other_order = json!({"properties": {"b": {}, "a": {}}, "type": "object"});
        assert_eq!(digest_of(&request().with_tools([Tool::new("look", "", other_order)])), same());
        let options = Options::new().temperature(0.5).label("team", "a").deadline(Duration::from_secs(1));
        assert_eq!(digest_of(&request().with_options(options)), same());
    }

    #[test]
    fn what_a_client_wrote_counts_unless_it_says_only_how_the_answer_comes() {
        let of = |body: &str, header: &str| {
            let original = Original::new(WireFormat::Anthropic, body.to_owned()).header("anthropic-beta", header);
            digest_of(&request().with_original(original))
        };
        let same = of(r#"{"model": "a", "x": {"b": 1, "c": 2}}"#, "one");
        assert_eq!(of(r#"{"x": {"c": 2, "b": 1}, "stream": true, "stream_options": {}, "model": "b"}"#, "one"), same);
        let others = [
            of(r#"{"model": "a", "x": {"b": 1, "c": 2}}"#, "two"),
            of(r#"{"model": "a", "x": {"b": 1, "c": 3}}"#, "one"),
            of(r#"{"model": "a"}"#, "one"),
            digest_of(&request()),
        ];
        assert!(others.iter().all(|other| *other != same));
    }

    #[test]
    fn whatever_is_asked_counts() {
        let asked = [
            request(),
            Request { messages: vec![Message::user("Hi"), Message::user("")], ..request() },
            Request { messages: vec![Message::user("hi")], ..request() },
            Request { messages: vec![Message::assistant("Hi")], ..request() },
            request().with_tools([]),
            request().with_tools([Tool::Other(json!({"type": "look"}))]),
            request().with_options(Options::new()),
            request().with_options(Options::new().temperature(0.5).user("u")),
            request().with_options(Options::new().temperature(0.5).metadata("a", "b")),
            request().with_extension("openai.a", 1),
        ];
        let digests: std::collections::HashSet<_> = asked.iter().map(digest_of).collect();
        assert_eq!(digests.len(), asked.len());
    }
}
