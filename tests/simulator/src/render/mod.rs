//! Replies as HTTP.

mod anthropic;
mod anthropic_events;
mod anthropic_faults;
mod errors;
mod halves;
mod interleave;
mod no_answer;
mod object;
mod openai;
mod openai_events;
mod openai_faults;
mod openai_tool_calls;
mod responses;
mod responses_events;
mod responses_faults;
mod stream;
mod text_fault;

use std::borrow::Cow;
use std::time::SystemTime;

use serde_json::Value;

use crate::answer::Answer;
use crate::event_stream::EventStream;
use crate::fault::Fault;
use crate::format::Format;
use crate::place::Place;
use crate::reply::{Content, Reply};

/// What a reply is an answer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Counts the simulator's requests; ids are made of it.
    pub(crate) number: u64,
    pub(crate) format: Format,
    pub(crate) model: Option<&'a str>,
    /// Whether the client asks for a stream.
    pub(crate) stream: bool,
    /// Whether the client asks for the usage in a stream.
    pub(crate) include_usage: bool,
}

impl Asked<'_> {
    /// For bytes that are no request: its format is unknown, and OpenAI's is the most common one.
    pub(crate) const UNKNOWN: Asked<'static> =
        Asked { number: 0, format: Format::OpenAi, model: None, stream: false, include_usage: false };

    fn request_id(&self) -> String {
        format!("req_sim{:06}", self.number)
    }

    /// The model to name in an answer.
    fn model<'a>(&'a self, answer: &'a Answer) -> &'a str {
        answer.model.as_deref().or(self.model).unwrap_or("simulated")
    }
}

/// A reply that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Rendered {
    status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// What is sent after the head, as far as the fault allows.
#[derive(Debug)]
pub(crate) enum Body {
    Whole(Vec<u8>),
    Stream(EventStream),
}

impl Default for Body {
    /// No body.
    fn default() -> Body {
        Body::Whole(Vec::new())
    }
}

impl Rendered {
    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Whether the connection cannot be used again after this reply.
    pub(crate) fn closes(&self, reply: &Reply) -> bool {
        let says_close = |(name, value): &(String, String)| {
            name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
        };
        reply.has_own_framing() || self.headers.iter().any(says_close)
    }

    /// Tells the client that the connection ends after this reply.
    pub(crate) fn announce_close(&mut self) {
        if !self.has("connection") {
            self.headers.push(("connection".to_owned(), "close".to_owned()));
        }
    }

    /// Status line and headers, as they go over the wire.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// Renders a reply.
pub(crate) fn render(reply: &Reply, asked: &Asked<'_>) -> Rendered {
    let status = reply.status_code();
    let mut headers = vec![
        ("date".to_owned(), httpdate::fmt_http_date(SystemTime::now())),
        (request_id_header(asked.format).to_owned(), asked.request_id()),
    ];
    if reply.fault == Some(Fault::HtmlBody) && status >= 400 {
        headers.push(("cf-ray".to_owned(), no_answer::RAY_ID.to_owned()));
    }
    let body = if status == 204 || status == 304 {
        // These have no body, nor a length.
        Body::default()
    } else if let Some(stream) = stream::stream(reply, asked) {
        headers.extend(stream_headers(reply).map(|(name, value)| (name.to_owned(), value.to_owned())));
        Body::Stream(stream)
    } else {
        let (content_type, body) = content(reply, asked);
        headers.push(("content-type".to_owned(), content_type));
        headers.push(("content-length".to_owned(), body.len().to_string()));
        Body::Whole(broken_off(body, reply))
    };
    override_headers(&mut headers, reply);
    Rendered { status, headers, body }
}

fn stream_headers(reply: &Reply) -> impl Iterator<Item = (&'static str, &'static str)> {
    let encoding = reply.streaming.gzip.then_some(("content-encoding", "gzip"));
    let headers = [("content-type", "text/event-stream"), ("cache-control", "no-cache")];
    headers.into_iter().chain(encoding).chain([("transfer-encoding", "chunked")])
}

/// The content of a reply that is not streamed.
fn content(reply: &Reply, asked: &Asked<'_>) -> (String, Vec<u8>) {
    let status = reply.status_code();
    if let Some((content_type, body)) = no_answer::body(reply.fault, status) {
        return (content_type.to_owned(), body.into_bytes());
    }
    let json = |value: Value| ("application/json".to_owned(), value.to_string().into_bytes());
    let (content_type, body) = match &reply.content {
        Content::Body { content_type, bytes } => (content_type.clone(), bytes.clone()),
        _ if reply.fault.is_some_and(Fault::is_error) => json(errors::of_fault(reply, asked)),
        Content::Answer(answer) => json(answer_body(answer, reply.fault, asked)),
        Content::Error(message) => json(errors::body(status, message, asked)),
        Content::Usual if status >= 400 => json(errors::body(status, errors::usual_message(status), asked)),
        Content::Usual | Content::Stream(_) => json(answer_body(&Answer::default(), reply.fault, asked)),
    };
    let is_malformed = reply.fault.is_some_and(Fault::is_malformed);
    let body = if is_malformed { malformed(body) } else { body };
    (content_type, text_fault::spoil(body, reply.fault, true))
}

/// What is left of a body, which is not a stream, before its fault.
fn broken_off(mut body: Vec<u8>, reply: &Reply) -> Vec<u8> {
    if reply.fault.is_some_and(Fault::breaks_off) {
        let half = body.len() / 2;
        body.truncate(if let Some(Place::Byte(count)) = reply.fault_at { count } else { half });
    }
    body
}

fn answer_body(answer: &Answer, fault: Option<Fault>, asked: &Asked<'_>) -> Value {
    let answer = changed(answer, fault);
    match asked.format {
        Format::Anthropic => anthropic_faults::whole(anthropic::answer(&answer, asked), fault),
        Format::OpenAi => openai_faults::whole(openai::answer(&answer, asked), fault),
        Format::Responses => responses_faults::whole(responses::answer(&answer, asked), fault),
    }
}

/// The answer with the changes of the fault that do not depend on the format.
fn changed(answer: &Answer, fault: Option<Fault>) -> Cow<'_, Answer> {
    match fault {
        Some(Fault::NoContent) => Cow::Owned(answer.without_content()),
        Some(Fault::SplitSurrogate | Fault::LoneSurrogate) => Cow::Owned(halves::mark(answer, fault)),
        _ => Cow::Borrowed(answer),
    }
}

fn request_id_header(format: Format) -> &'static str {
    match format {
        Format::Anthropic => "request-id",
        Format::OpenAi | Format::Responses => "x-request-id",
    }
}

/// Puts the script's headers in the place of those of the same name.
fn override_headers(headers: &mut Vec<(String, String)>, reply: &Reply) {
    // If a script sets one kind of framing, the other is left out: both together would contradict each other.
    if reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding")) {
        headers.retain(|(name, _)| name != "content-length");
    }
    if reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        headers.retain(|(name, _)| name != "transfer-encoding");
    }
    for (name, values) in &reply.headers {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.extend(values.iter().map(|value| (name.clone(), value.clone())));
    }
}

/// The first half of a JSON text, or something else that is no JSON where the half is (the half of `12`, say).
fn malformed(mut body: Vec<u8>) -> Vec<u8> {
    body.truncate(body.len() / 2);
    if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok() {
        body = b"{".to_vec();
    }
    body
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        // The standard lets it be empty.
        _ => "",
    }
}
