//! The object of a response: what stands around its items.

use arcllm::{Response, StopReason};
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::{
    client::Heading,
    problem::Problem,
    responses::{error, usage::Tokens},
};

/// The fields that repeat the request, with what they are if the request has none.
pub(crate) const ECHOED: [(&str, &str); 19] = [
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("service_tier", r#""default""#),
    ("store", "false"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "null"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// The tools in what the answer repeats.
pub(crate) fn tools(echo: &Value) -> &[Value] {
    echo.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// How far a response is, and how it ended.
#[derive(Debug, Default)]
pub(crate) struct State {
    status: &'static str,
    incomplete: Option<&'static str>,
    error: Option<Value>,
    usage: Option<Tokens>,
}

impl State {
    /// A response that goes on.
    pub(crate) fn in_progress() -> Self {
        Self { status: "in_progress", ..Self::default() }
    }

    /// A response that ended.
    pub(crate) fn of(response: &Response) -> Self {
        let incomplete = match response.stop_reason {
            StopReason::MaxTokens => Some("max_output_tokens"),
            StopReason::ContentFilter => Some("content_filter"),
            _ => None,
        };
        let status = if incomplete.is_some() { "incomplete" } else { "completed" };
        Self { status, incomplete, error: None, usage: Some(Tokens::of(response)) }
    }

    /// A response that failed.
    pub(crate) fn failed(problem: &Problem) -> Self {
        let error = json!({"code": error::code_of_response(problem), "message": problem.message});
        Self { status: "failed", error: Some(error), ..Self::default() }
    }

    pub(crate) fn is_in_progress(&self) -> bool {
        self.status == "in_progress"
    }

    pub(crate) fn is_incomplete(&self) -> bool {
        self.incomplete.is_some()
    }
}

/// What stands at the beginning and at the end of the object, the same in all events.
pub(crate) struct Head {
    /// The id of the answer, without a prefix.
    pub(crate) id: String,
    /// JSON up to the status.
    begin: Vec<u8>,
    /// JSON behind the items: the fields that repeat the request.
    echo: Vec<u8>,
}

impl Head {
    pub(crate) fn new(heading: &Heading) -> Self {
        let begin = begin(&format!("resp_{}", heading.id), &heading.created, &heading.model);
        let mut echo = Vec::new();
        for (name, default) in ECHOED {
            match heading.echo.get(name) {
                Some(value) => field(name, value, &mut echo),
                None => echo.extend_from_slice(format!(",\"{name}\":{default}").as_bytes()),
            }
        }
        Self { id: heading.id.clone(), begin, echo }
    }

    /// Becomes the head of this response of a provider.
    pub(crate) fn adopt(&mut self, response: &Value) {
        let [id, created, model] = ["id", "created_at", "model"].map(|name| response.get(name).unwrap_or(&Value::Null));
        self.begin = begin(id, created, model);
    }

    /// Writes the object with these items.
    pub(crate) fn write(&self, state: &State, items: &[Vec<u8>], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.begin);
        field("status", state.status, out);
        field("error", &state.error, out);
        field("incomplete_details", &state.incomplete.map(|reason| json!({"reason": reason})), out);
        out.extend_from_slice(b",\"output\":");
        list(items, out);
        field("usage", &state.usage, out);
        out.extend_from_slice(&self.echo);
        out.push(b'}');
    }
}

fn begin(
    id: &(impl Serialize + ?Sized),
    created: &(impl Serialize + ?Sized),
    model: &(impl Serialize + ?Sized),
) -> Vec<u8> {
    let mut begin = b"{\"id\":".to_vec();
    write(id, &mut begin);
    begin.extend_from_slice(b",\"object\":\"response\"");
    field("created_at", created, &mut begin);
    field("model", model, &mut begin);
    begin
}

fn list(items: &[Vec<u8>], out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.push(b']');
}

/// Writes a field behind another one.
pub(crate) fn field(name: &str, value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    write(value, out);
}

fn write(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    // A vector takes all that is written, and what is written has texts as keys.
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok(), "{written:?}");
}
