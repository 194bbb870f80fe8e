//! What an HTTP answer means: a response, or an error. Nothing here reads from the network.

use std::time::SystemTime;

use bytes::Bytes;
use reqwest::{
    StatusCode, Version,
    header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING},
};
use serde_json::Value;

use crate::{
    adapter::{
        excerpt::{clean, page, said},
        format::{
            beside::Beside,
            format::Decoded,
            malformed::{Malformed, Unreadable},
            tool_names::ToolNames,
            tree::{self, Keep, MemoryBudget, TreeError},
        },
        http::{api_error, asked::Asked, hint, reason::reason},
        markup,
        secrets::Secrets,
    },
    chat::{
        error::ErrorKind,
        extensions::Extensions,
        failure::{ApiError, Failure},
        original::KeptOriginal,
        response::{Response, StopReason},
        usage::Usage,
    },
};

/// The extension of a `parse` error for what is no answer at all, such as an empty body or a page of HTML. No provider means
/// it, so another attempt helps.
pub(crate) const NO_ANSWER: &str = "arcllm.no-answer";

/// The extension of an error of a provider with what it said, where the message also has what the operator should check.
const SAID: &str = "arcllm.said";

/// An HTTP answer, decompressed.
pub(crate) struct HttpAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Why the body is incomplete although the connection held.
    pub flaw: Option<String>,
    /// Whether the answer says where its body ends.
    pub framed: bool,
}

impl HttpAnswer {
    /// The answer without its body. Takes the headers out of `head`.
    pub(crate) fn without_body(head: &mut reqwest::Response) -> Self {
        let (status, framed) = (head.status(), is_framed(head));
        Self { status, headers: std::mem::take(head.headers_mut()), body: Vec::new(), flaw: None, framed }
    }

    /// Copies the headers. They are slices of the connection's read buffer, and an answer that streams for long would hold it.
    pub(crate) fn detach(&mut self) {
        let mut rest: Bytes = self.headers.values().flat_map(|value| value.as_bytes()).copied().collect();
        for value in self.headers.values_mut() {
            if let Ok(copy) = HeaderValue::from_maybe_shared(rest.split_to(value.len())) {
                *value = copy;
            }
        }
    }
}

/// Before HTTP/2 an answer need not say where its body ends. A broken connection then looks like the end. An answer
/// without content has no header for it.
fn is_framed(head: &reqwest::Response) -> bool {
    let (headers, is_empty) = (head.headers(), head.status() == StatusCode::NO_CONTENT);
    let has_length = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    head.version() >= Version::HTTP_2 || has_length || is_empty
}

/// Reads the answers of one model.
pub(crate) struct Reader<'a> {
    asked: &'a Asked,
    names: ToolNames,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(asked: &'a Asked) -> Self {
        Self { asked, names: ToolNames::default() }
    }

    /// The same for an answer in which tools in namespaces get these names.
    pub(crate) fn naming(self, names: &ToolNames) -> Self {
        Self { names: names.clone(), ..self }
    }

    /// Reads a complete answer. One that its client `may_read` alone is not refused if its content cannot be read.
    pub(crate) fn read(&self, answer: &HttpAnswer, may_read: bool) -> Result<Response, ErrorKind> {
        if !answer.status.is_success() {
            let body = tree::read(&answer.body, &Keep::All, &self.budget()).unwrap_or(Value::Null);
            return Err(self.api_error(answer, answer.status, &body));
        }
        if let Some(flaw) = &answer.flaw {
            return Err(self.parse_error(answer, flaw));
        }
        let keeps = self.asked.format().keeps();
        let read = tree::read(&answer.body, keeps, &self.budget()).or_else(|error| {
            // Some proxies write something of their own behind the answer.
            tree::read_start(&answer.body, keeps, &self.budget()).ok_or(error)
        });
        let body = match read {
            Ok(body) => body,
            Err(TreeError::NotJson(error)) if error.is_eof() && !answer.framed => return Err(self.cut_short()),
            Err(TreeError::NotJson(error)) => {
                let what = Malformed(format!("the body is not JSON: {error}"));
                return Err(self.unreadable(answer, Unreadable::NoAnswer(what)));
            }
            Err(TreeError::TooLarge(malformed)) => return Err(self.parse_error(answer, &malformed.0)),
        };
        self.read_body(answer, &body, may_read)
    }

    /// A budget for the JSON of one answer.
    pub(crate) fn budget(&self) -> MemoryBudget {
        MemoryBudget::new(self.asked.provider.max_response_bytes)
    }

    fn secrets(&self) -> Option<&Secrets> {
        self.asked.secrets.as_ref()
    }

    /// Reads a body with a 2xx status, as [`read`](Self::read) does.
    pub(crate) fn read_body(&self, answer: &HttpAnswer, body: &Value, may_read: bool) -> Result<Response, ErrorKind> {
        let budget = self.budget();
        let unreadable = match self.asked.format().decode(body, &self.names, &budget) {
            Ok(decoded) => {
                let mut response = self.response(answer, body, decoded);
                if self.asked.format().has_several_answers(body) {
                    response.original.say_more();
                }
                return Ok(response);
            }
            Err(unreadable) => unreadable,
        };
        let beside = || Beside::of_body(self.asked.provider.adapter, body, &unreadable, &budget);
        let beside = if may_read { beside() } else { None };
        let error = self.unreadable(answer, unreadable);
        match beside {
            Some(beside) => Ok(self.unread(answer, body, beside.decoded(&budget), error)),
            None => Err(error),
        }
    }

    /// The response for an answer whose content could not be read for this reason.
    pub(crate) fn unread(&self, answer: &HttpAnswer, body: &Value, decoded: Decoded, error: ErrorKind) -> Response {
        let mut response = self.response(answer, body, decoded);
        response.original.unread(error);
        response
    }

    /// The error for a body that is no response.
    pub(crate) fn unreadable(&self, answer: &HttpAnswer, unreadable: Unreadable) -> ErrorKind {
        match unreadable {
            Unreadable::Error { status, body } => {
                self.api_error(answer, StatusCode::from_u16(status).unwrap_or(answer.status), &body)
            }
            Unreadable::Ended { error, received } => match self.unreadable(answer, *error) {
                ErrorKind::Api(api) => ErrorKind::Api(api.with_received(&received)),
                other => other,
            },
            Unreadable::Malformed(malformed) => self.parse_error(answer, &malformed.0),
            Unreadable::NoAnswer(malformed) => match self.parse_error(answer, &malformed.0) {
                ErrorKind::Parse(failure) => ErrorKind::Parse(failure.with_extension(NO_ANSWER, true)),
                other => other,
            },
        }
    }

    /// What is known of a response before its content.
    pub(crate) fn head(&self, answer: &HttpAnswer) -> Response {
        Response {
            content: Vec::new(),
            usage: Usage::default(),
            stop_reason: StopReason::EndTurn,
            model: self.asked.model.clone(),
            provider: self.asked.provider.name.clone(),
            request_id: self.request_id(&answer.headers, &Value::Null),
            trail: Vec::new(),
            notes: Vec::new(),
            extensions: Extensions::new(),
            original: KeptOriginal::default(),
            allowances: hint::allowances(&answer.headers, SystemTime::now()),
        }
    }

    fn response(&self, answer: &HttpAnswer, body: &Value, decoded: Decoded) -> Response {
        let head = self.head(answer);
        Response {
            content: decoded.content,
            usage: decoded.usage,
            stop_reason: decoded.stop_reason,
            model: decoded.model.unwrap_or(head.model),
            request_id: self.request_id(&answer.headers, body),
            extensions: decoded.extensions,
            ..head
        }
    }

    fn api_error(&self, answer: &HttpAnswer, status: StatusCode, body: &Value) -> ErrorKind {
        let ray_id = || api_error::ray_id(&answer.headers, &answer.body, self.secrets());
        // A body that is no JSON can say that the conversation is too long, too.
        let text = body.is_null().then(|| Value::from(page(&answer.body)));
        let (said, to_check) = self.message(answer, status, body);
        let mut extensions = api_error::extensions(body, self.asked.format().vendor(), self.secrets());
        let message = match to_check {
            Some(to_check) => {
                let message = format!("{said}{to_check}");
                extensions.insert(SAID.to_owned(), said.into());
                message
            }
            None => said,
        };
        ErrorKind::Api(ApiError {
            status: status.as_u16(),
            reason: reason(status.as_u16(), text.as_ref().unwrap_or(body)),
            message,
            provider: self.asked.provider.name.clone(),
            model: self.asked.model.clone(),
            request_id: self.request_id(&answer.headers, body).or_else(ray_id),
            retry_after: hint::wait_after(status.as_u16(), &answer.headers, SystemTime::now()),
            should_retry: hint::should_retry(&answer.headers),
            extensions,
            allowances: Box::new(hint::allowances(&answer.headers, SystemTime::now())),
        })
    }

    /// The provider's own message; else that it redirects, the text of the body, or the meaning of the status. With it what the
    /// operator should check.
    fn message(&self, answer: &HttpAnswer, status: StatusCode, body: &Value) -> (String, Option<String>) {
        let name = &self.asked.provider.name;
        let location = || answer.headers.get("location").filter(|_| status.is_redirection())?.to_str().ok();
        let said = match (api_error::message(body), location()) {
            (Some(message), _) => clean(&markup::shown(&message), self.secrets()),
            (None, Some(location)) => {
                // The query may hold a secret.
                let location = location.split(['?', '#']).next().unwrap_or_default();
                let to_set = format!("; set providers.{name}.base_url for {location}");
                return ("redirects are not followed".to_owned(), Some(clean(&to_set, self.secrets())));
            }
            (None, None) => said(&answer.body, self.secrets()),
        };
        let said = if said.is_empty() { words_for(status).to_owned() } else { said };
        let check = match answer.status {
            StatusCode::NOT_FOUND => format!("providers.{name}.base_url and the name of the model"),
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => format!("providers.{name}.base_url"),
            _ => return (said, None),
        };
        let to_check = format!(" (POST {}; check {check})", self.asked.address());
        (said, Some(to_check))
    }

    pub(crate) fn parse_error(&self, answer: &HttpAnswer, what: &str) -> ErrorKind {
        // The body is not in the format, so a `request_id` in it means nothing.
        let request_id = self.request_id(&answer.headers, &Value::Null);
        let status = answer.status.as_u16();
        let mut extensions = Extensions::from([("arcllm.status".to_owned(), status.into())]);
        let mut context = format!("status {status}");
        if let Some(id) = request_id {
            context += &format!(", request {id}");
            extensions.insert("arcllm.request-id".to_owned(), id.into());
        }
        let is_empty = answer.body.trim_ascii().is_empty() && answer.flaw.is_none();
        let excerpt = match said(&answer.body, self.secrets()) {
            excerpt if excerpt.is_empty() && !is_empty => "nothing of the body can be shown".to_owned(),
            excerpt if excerpt.is_empty() => "an empty body".to_owned(),
            excerpt => excerpt,
        };
        let message = format!("unreadable answer: {} ({context}): {excerpt}", clean(what, self.secrets()));
        ErrorKind::Parse(Failure { extensions, ..Failure::new(&*self.asked.provider.name, message) })
    }

    pub(crate) fn cut_short(&self) -> ErrorKind {
        let message = "the connection closed before the answer was whole";
        ErrorKind::Connection(Failure::new(&self.asked.provider.name, message))
    }

    /// The error for a stream that says that it is at its end, but not why.
    pub(crate) fn without_reason(&self) -> ErrorKind {
        let message = "the answer did not say why it ended: the stream ended without a finish reason";
        ErrorKind::Connection(Failure::new(&self.asked.provider.name, message))
    }

    fn request_id(&self, headers: &HeaderMap, body: &Value) -> Option<String> {
        let names = ["request-id", "x-request-id", "anthropic-request-id"];
        let in_headers = names.into_iter().find_map(|name| headers.get(name)?.to_str().ok());
        let id = in_headers.or_else(|| body.get("request_id")?.as_str()).map(|id| clean(id, self.secrets()));
        id.filter(|id| !id.is_empty())
    }
}

/// What a status means. Those of Cloudflare have no standard.
fn words_for(status: StatusCode) -> &'static str {
    let of_cloudflare = match status.as_u16() {
        520 => "the server behind the proxy gave an unknown error",
        521 => "the server behind the proxy is down",
        522 => "the connection to the server behind the proxy timed out",
        523 => "the server behind the proxy is unreachable",
        524 => "the server behind the proxy took too long to answer",
        525 => "the TLS handshake with the server behind the proxy failed",
        526 => "the certificate of the server behind the proxy is invalid",
        527 => "the proxy lost the connection to the server behind it",
        529 => "the provider is overloaded",
        530 => "the proxy cannot find the server behind it",
        _ => "no reason given",
    };
    status.canonical_reason().unwrap_or(of_cloudflare)
}

#[cfg(test)]
mod tests;
