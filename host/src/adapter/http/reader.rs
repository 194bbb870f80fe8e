//! What an HTTP answer means: a response, or an error of one of the kinds. Nothing here reads from the network.

use std::time::SystemTime;

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

use crate::{
    adapter::{
        excerpt::{clean, excerpt},
        format::{
            format::{Decoded, Format, Unreadable},
            tree::{self, Keep, Room, Unfit},
        },
        http::{api_error, hint},
        secrets::Secrets,
    },
    chat::{
        error::{ApiError, ErrorKind, Failure},
        message::Extensions,
        response::{Response, StopReason, Usage},
    },
};

/// An answer as it came, decompressed.
pub(crate) struct HttpAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Why the body is not all there although the connection held, if so.
    pub flaw: Option<String>,
    /// Whether a body that was cut short would have been noticed.
    pub framed: bool,
}

/// Who was asked, and how to read them.
pub(crate) struct Reader<'a> {
    pub format: &'static dyn Format,
    pub provider: &'a str,
    pub model: &'a str,
    /// What is not to be seen of what was sent.
    pub key: Option<&'a Secrets>,
    /// The most bytes of a body.
    pub max_response_bytes: usize,
}

impl Reader<'_> {
    /// What the answer means.
    pub(crate) fn read(&self, answer: &HttpAnswer) -> Result<Response, ErrorKind> {
        if !answer.status.is_success() {
            let body = tree::read(&answer.body, &Keep::All, &self.room()).unwrap_or(Value::Null);
            return Err(self.api_error(answer, answer.status, &body));
        }
        if let Some(flaw) = &answer.flaw {
            return Err(self.parse_error(answer, flaw));
        }
        let body = match tree::read(&answer.body, self.format.keeps(), &self.room()) {
            Ok(body) => body,
            Err(Unfit::NotJson(error)) if error.is_eof() && !answer.framed => return Err(self.cut_short()),
            Err(Unfit::NotJson(error)) => {
                return Err(self.parse_error(answer, &format!("the body is not JSON: {error}")));
            }
            Err(Unfit::TooLarge(malformed)) => return Err(self.parse_error(answer, &malformed.0)),
        };
        self.read_body(answer, &body)
    }

    /// Room for the JSON of one answer.
    pub(crate) fn room(&self) -> Room {
        Room::new(self.max_response_bytes)
    }

    /// What a body with a 2xx status means.
    pub(crate) fn read_body(&self, answer: &HttpAnswer, body: &Value) -> Result<Response, ErrorKind> {
        match self.format.decode(body, &self.room()) {
            Ok(decoded) => Ok(self.response(answer, body, decoded)),
            Err(unreadable) => Err(self.unreadable(answer, unreadable)),
        }
    }

    /// Why it is no response.
    pub(crate) fn unreadable(&self, answer: &HttpAnswer, unreadable: Unreadable) -> ErrorKind {
        match unreadable {
            Unreadable::Error { status, body } => {
                self.api_error(answer, StatusCode::from_u16(status).unwrap_or(answer.status), &body)
            }
            Unreadable::Malformed(malformed) => self.parse_error(answer, &malformed.0),
        }
    }

    /// What is known of a response that is still coming.
    pub(crate) fn head(&self, answer: &HttpAnswer) -> Response {
        Response {
            content: Vec::new(),
            usage: Usage::default(),
            stop_reason: StopReason::EndTurn,
            model: self.model.to_owned(),
            provider: self.provider.to_owned(),
            request_id: self.request_id(&answer.headers, &Value::Null),
            trail: Vec::new(),
            extensions: Extensions::new(),
        }
    }

    fn response(&self, answer: &HttpAnswer, body: &Value, decoded: Decoded) -> Response {
        Response {
            content: decoded.content,
            usage: decoded.usage,
            stop_reason: decoded.stop_reason,
            model: decoded.model.unwrap_or_else(|| self.model.to_owned()),
            provider: self.provider.to_owned(),
            request_id: self.request_id(&answer.headers, body),
            trail: Vec::new(),
            extensions: decoded.extensions,
        }
    }

    fn api_error(&self, answer: &HttpAnswer, status: StatusCode, body: &Value) -> ErrorKind {
        ErrorKind::Api(ApiError {
            status: status.as_u16(),
            message: self.message(answer, status, body),
            provider: self.provider.to_owned(),
            model: self.model.to_owned(),
            request_id: self.request_id(&answer.headers, body),
            retry_after: hint::retry_after(&answer.headers, SystemTime::now()),
            should_retry: hint::should_retry(&answer.headers),
            extensions: api_error::extensions(body, self.format.vendor(), self.key),
        })
    }

    /// The provider's own message, else where it redirects to, else an excerpt, else what the status means.
    fn message(&self, answer: &HttpAnswer, status: StatusCode, body: &Value) -> String {
        let location = || {
            let location = answer.headers.get("location").filter(|_| status.is_redirection())?.to_str().ok()?;
            // A query may hold what is not for messages.
            let location = location.split(['?', '#']).next().unwrap_or_default();
            Some(format!("redirects are not followed; set providers.{}.base_url for {location}", self.provider))
        };
        if let Some(message) = api_error::message(body).or_else(location) {
            return clean(&message, self.key);
        }
        match excerpt(&answer.body, self.key) {
            excerpt if excerpt.is_empty() => status.canonical_reason().unwrap_or("no reason given").to_owned(),
            excerpt => excerpt,
        }
    }

    pub(crate) fn parse_error(&self, answer: &HttpAnswer, what: &str) -> ErrorKind {
        // The body is an error's or a stranger's here, so its own `request_id` is not looked for.
        let request_id = self.request_id(&answer.headers, &Value::Null);
        let status = answer.status.as_u16();
        let mut extensions = Extensions::from([("arcllm.status".to_owned(), status.into())]);
        let mut context = format!("status {status}");
        if let Some(id) = request_id {
            context += &format!(", request {id}");
            extensions.insert("arcllm.request-id".to_owned(), id.into());
        }
        let excerpt = match excerpt(&answer.body, self.key) {
            // What is wrong with it has been said.
            excerpt if excerpt.is_empty() && answer.flaw.is_some() => "nothing of it can be shown".to_owned(),
            excerpt if excerpt.is_empty() => "an empty body".to_owned(),
            excerpt => excerpt,
        };
        let message = format!("unreadable answer: {} ({context}): {excerpt}", clean(what, self.key));
        ErrorKind::Parse(Failure { extensions, ..Failure::new(self.provider, message) })
    }

    pub(crate) fn cut_short(&self) -> ErrorKind {
        let message = "the connection closed before the answer was whole";
        ErrorKind::Connection(Failure::new(self.provider, message))
    }

    fn request_id(&self, headers: &HeaderMap, body: &Value) -> Option<String> {
        let names = ["request-id", "x-request-id", "anthropic-request-id"];
        let in_headers = names.into_iter().find_map(|name| headers.get(name)?.to_str().ok());
        let id = in_headers.or_else(|| body.get("request_id")?.as_str()).map(|id| clean(id, self.key));
        id.filter(|id| !id.is_empty())
    }
}

#[cfg(test)]
mod tests;
