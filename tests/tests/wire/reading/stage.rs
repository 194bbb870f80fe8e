//! What these tests share: a provider that sends certain bytes, and what a caller reads of them.

use std::time::Duration;

use arcllm::{Error, ErrorKind, Event, Message, Overrides, Response};
use arcllm_simulator::{Format, Reply};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    scene::{FAST, load, replies, soon},
    support::Chain,
};

/// What a stream said, and how it ended.
pub(super) struct Heard {
    pub(super) events: Vec<Event>,
    pub(super) end: Result<Response, Error>,
}

/// A body with its length, for a request without streaming.
pub(super) async fn whole(format: Format, body: impl Into<Vec<u8>>) -> Result<Response, Error> {
    let a = replies([Reply::body("application/json", body)]).await;
    let folder = Chain::new().provider("a", format, &a.url()).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    soon(model.invoke(&[Message::user("Hi")], &[])).await
}

/// A reply to a request for a stream.
pub(super) async fn hear(format: Format, reply: Reply) -> Heard {
    let a = replies([reply]).await;
    let folder = Chain::new().provider("a", format, &a.url()).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    let mut stream = model.stream(&[Message::user("Hi")], &[]);
    let mut events = Vec::new();
    let end = loop {
        match soon(stream.next()).await.unwrap() {
            Ok(Event::End(response)) => break Ok(*response),
            Ok(event) => events.push(event),
            Err(error) => break Err(error),
        }
    };
    Heard { events, end }
}

/// A stream of these events, each in a chunk of its own, and then the last chunk.
pub(super) fn chunked(events: &[String]) -> Reply {
    Reply::event_stream(events.iter().map(|data| (Duration::ZERO, format!("data: {data}\n\n"))))
}

/// The same with a length instead of chunks.
pub(super) fn with_length(events: &[String]) -> Reply {
    let body: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
    Reply::body("text/event-stream", body)
}

/// The same without either: the connection closes at the end.
pub(super) fn unframed(events: &[String]) -> Reply {
    with_length(events).without_header("content-length").header("connection", "close")
}

/// What a caller gets from a provider that sends this first, and then a good answer, with retry.
pub(super) async fn with_retry(format: Format, reply: Reply, streamed: bool) -> Response {
    let a = replies([reply]).await;
    let folder = Chain::new().provider("a", format, &a.url()).module("retry", FAST).folder().unwrap();
    let model = load(&folder, Overrides::new()).await;
    let messages = [Message::user("Hi")];
    let response = match streamed {
        true => soon(model.stream(&messages, &[]).collect()).await,
        false => soon(model.invoke(&messages, &[])).await,
    };
    assert_eq!(a.requests().len(), 2, "{response:?}");
    response.unwrap()
}

/// A chunk of OpenAI's format.
pub(super) fn ch(delta: &Value, finish: Option<&str>) -> String {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).to_string()
}

/// An entry of `delta.tool_calls`. An empty text stands for an absent field.
pub(super) fn tc(index: u64, id: &str, name: &str, arguments: &str) -> Value {
    let mut call = json!({"index": index, "function": {}});
    if !id.is_empty() {
        call["id"] = id.into();
    }
    for (field, value) in [("name", name), ("arguments", arguments)] {
        if !value.is_empty() {
            call["function"][field] = value.into();
        }
    }
    call
}

pub(super) fn done() -> String {
    "[DONE]".to_owned()
}

/// The status and the message of an `api` error.
pub(super) fn api(error: &Error) -> (u16, &str) {
    match &error.kind {
        ErrorKind::Api(api) => (api.status, &api.message),
        kind => panic!("{kind:?}"),
    }
}

/// Whether a `parse` error is one of what is no answer at all, so that another attempt helps.
pub(super) fn is_no_answer(error: &Error) -> bool {
    match &error.kind {
        ErrorKind::Parse(failure) => failure.extensions.get("arcllm.no-answer") == Some(&json!(true)),
        kind => panic!("{kind:?}"),
    }
}
