//! Heads of requests, and the limits of requests.

use crate::link::{Gone, Link};
use crate::request_body;

/// The largest head: request line and headers.
pub(crate) const HEAD_LIMIT: usize = 64 * 1024;
const HEADERS_LIMIT: usize = 128;

/// A whole request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the client wants the connection closed after the reply.
    pub(crate) is_last: bool,
}

/// Why the bytes are not a request.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The client closed the connection: between two requests, this is how a connection ends.
    Gone,
    /// The client sent something malformed or too large.
    Refused { status: u16, message: String },
}

impl Unreadable {
    pub(crate) fn bad(message: impl Into<String>) -> Unreadable {
        Unreadable::Refused { status: 400, message: message.into() }
    }
}

impl From<Gone> for Unreadable {
    fn from(Gone: Gone) -> Unreadable {
        Unreadable::Gone
    }
}

/// Reads the next request.
pub(crate) async fn read(link: &mut Link) -> Result<Request, Unreadable> {
    loop {
        if let Some((mut request, length)) = parse_head(link.unread())? {
            link.consume(length);
            request.body = request_body::read(link, &request.headers).await?;
            return Ok(request);
        }
        if link.unread().len() >= HEAD_LIMIT {
            return Err(too_large());
        }
        link.fill().await?;
    }
}

/// The request without its body, and the length of its head. `None`: the head is not whole yet.
fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize)>, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length > HEAD_LIMIT => return Err(too_large()),
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(too_large()),
        Err(error) => return Err(Unreadable::bad(format!("not an HTTP/1.1 request: {error}"))),
    };
    let headers: Vec<(String, String)> = head.headers.iter().map(owned).collect();
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        is_last: head.version == Some(0) || has_token(&headers, "connection", "close"),
        headers,
        body: Vec::new(),
    };
    Ok(Some((request, length)))
}

fn owned(header: &httparse::Header<'_>) -> (String, String) {
    (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned())
}

/// Whether a header that lists words has this one.
fn has_token(headers: &[(String, String)], name: &str, token: &str) -> bool {
    let values = headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(token))
}

fn too_large() -> Unreadable {
    let message = format!("the head is larger than {HEAD_LIMIT} bytes or has more than {HEADERS_LIMIT} headers");
    Unreadable::Refused { status: 431, message }
}
