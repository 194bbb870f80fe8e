//! Reads the body of a request, within limits.

use std::time::Duration;

use arcllm::ServeConfig;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use memchr::{memchr, memchr2};
use tokio::time::timeout;

use crate::{
    client::{place::Place, problem::Problem},
    gateway::shared::Counted,
};

/// How long the rest of a refused body is read.
const LINGER: Duration = Duration::from_secs(5);

/// How much of it is read.
const MOST_LINGERING: usize = 128 << 20;

/// Room is made for all that a body claims to have once so many bytes have come.
const BELIEVED: usize = 64 << 10;

/// From here on a body fills most of the read buffer that it is a slice of, in bytes.
const SMALL: usize = 4 << 10;

/// What a body takes beside its texts once it is read, in bytes: for each list or object, and for each sign behind a value or a name.
/// It is about the most, as lists and objects with one short value need it.
const PER_LIST: u64 = 300;
const PER_SIGN: u64 = 100;

/// Up to here it is not worth finding out which signs stand in texts.
const ROUGH: u64 = 1 << 20;

/// Reads the body of a request in JSON. What it takes is counted in `held`, as long as that is kept.
///
/// # Errors
///
/// If it is too long, takes too long, is empty, or is not UTF-8; if the headers say that it is something else than JSON; if there is
/// no memory for it beside the bodies of other calls.
pub(crate) async fn read(
    config: &ServeConfig,
    headers: &HeaderMap,
    mut body: Body,
    held: &mut Counted,
) -> Result<Bytes, Problem> {
    let read = match check_headers(config, headers) {
        Err(problem) => Err(problem),
        Ok(()) => timeout(config.body_timeout, collect(config, &mut body, held)).await.unwrap_or_else(|_| {
            let seconds = config.body_timeout.as_secs_f64();
            let message = format!("the body did not arrive within {seconds} seconds");
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, message))
        }),
    };
    let bytes = read.inspect_err(|_| linger(body))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Place::Body.problem("is empty; send JSON with `model` and what is asked"));
    }
    if let Err(error) = std::str::from_utf8(&bytes) {
        return Err(Place::Body.problem(format!("is not UTF-8: byte {} is wrong", error.valid_up_to())));
    }
    hold(config, held, read_size(&bytes))?;
    Ok(bytes)
}

/// What a body takes beside its text once it is read, in bytes: its texts again, and its values.
fn read_size(body: &[u8]) -> u64 {
    let texts = body.len() as u64;
    let most = texts + weight(body);
    if most <= ROUGH {
        return most;
    }
    let (mut size, mut rest) = (texts, body);
    while let Some((values, text)) = memchr(b'"', rest).and_then(|quote| rest.split_at_checked(quote + 1)) {
        size += weight(values);
        rest = behind_text(text);
    }
    size + weight(rest)
}

/// What values with these signs take.
fn weight(signs: &[u8]) -> u64 {
    let weight = |byte: &u8| match byte {
        b'[' | b'{' => PER_LIST,
        b',' | b':' => PER_SIGN,
        _ => 0,
    };
    signs.iter().map(weight).sum()
}

/// What stands behind the text that begins here.
fn behind_text(mut rest: &[u8]) -> &[u8] {
    while let Some((_, from)) = memchr2(b'"', b'\\', rest).and_then(|at| rest.split_at_checked(at)) {
        match from {
            [b'"', behind @ ..] => return behind,
            [_, _, behind @ ..] => rest = behind,
            _ => break,
        }
    }
    &[]
}

/// Counts so many more bytes of a body.
///
/// # Errors
///
/// If that is too much together with the bodies of other calls.
fn hold(config: &ServeConfig, held: &mut Counted, bytes: u64) -> Result<(), Problem> {
    let most = most_together(config);
    if held.grow(bytes, most) {
        return Ok(());
    }
    if held.get() + bytes > most {
        return Err(too_much(config));
    }
    let limit = config.max_bodies_mb;
    let message = format!("the bodies of the calls that run take {limit} MB, which is the limit of this gateway");
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, message);
    Err(Problem { retry_after: Some(Duration::from_secs(1)), ..problem })
}

/// Reads what is left of a body and drops it. A connection that is closed before could destroy the answer on its way.
pub(crate) fn linger(mut body: Body) {
    if http_body::Body::is_end_stream(&body) {
        return;
    }
    tokio::spawn(timeout(LINGER, async move {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > MOST_LINGERING {
                return;
            }
        }
    }));
}

fn check_headers(config: &ServeConfig, headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |message| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    if let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok())
        && !is_json(kind)
    {
        return unsupported("the content type is not JSON: send `content-type: application/json`");
    }
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return unsupported("the body is compressed: send it without `content-encoding`");
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > most(config) => Err(too_large(config)),
        // Its texts are there twice once it is read.
        Some(length) if length > most_together(config) / 2 => Err(too_much(config)),
        _ => Ok(()),
    }
}

fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.is_empty() || essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

fn most(config: &ServeConfig) -> u64 {
    config.max_body_mb << 20
}

fn too_large(config: &ServeConfig) -> Problem {
    let message = format!("the body is larger than {} MB, which is the limit of this gateway", config.max_body_mb);
    Problem { should_retry: Some(false), ..Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message) }
}

/// How much memory all bodies may take, in bytes.
fn most_together(config: &ServeConfig) -> u64 {
    config.max_bodies_mb << 20
}

fn too_much(config: &ServeConfig) -> Problem {
    let limit = config.max_bodies_mb;
    let message = format!("the body takes more memory than {limit} MB, which is the limit of this gateway");
    Problem { should_retry: Some(false), ..Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message) }
}

/// Reads a body. A large one that comes in one piece is not copied. A small one is: it is a slice of the connection's read buffer,
/// and an answer that streams for long would hold it.
async fn collect(config: &ServeConfig, body: &mut Body, held: &mut Counted) -> Result<Bytes, Problem> {
    let most = usize::try_from(most(config)).unwrap_or(usize::MAX);
    let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body ended before it was whole"))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + whole.len() + data.len() > most {
            return Err(too_large(config));
        }
        hold(config, held, data.len() as u64)?;
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(BELIEVED);
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        if whole.len() + data.len() > whole.capacity() {
            let claimed = usize::try_from(http_body::Body::size_hint(body).lower()).unwrap_or(usize::MAX);
            whole.reserve(data.len() + claimed.min(most - whole.len() - data.len()));
        }
        whole.extend_from_slice(&data);
    }
    Ok(match first.len() {
        0 => whole.freeze(),
        1..SMALL => Bytes::copy_from_slice(&first),
        _ => first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_in_texts_are_no_values() {
        let rows = "1, 2, [3, {4: \\\"5\\\"}], ".repeat(50_000);
        let body = |text: &str, list: &str| format!(r#"{{"a": "{text}\\", "b": [{list}0]}}"#).into_bytes();
        let (short, text) = (body("", ""), body(&rows, ""));
        assert_eq!(read_size(&text) - text.len() as u64, read_size(&short) - short.len() as u64);
        let values = read_size(&body(&rows, &"0,".repeat(1000))) - read_size(&text);
        assert_eq!(values, 1000 * (2 + PER_SIGN));
        // A text without end is no JSON, and is refused later.
        assert_eq!(read_size(&[b"\"".as_slice(), &text[7..]].concat()[..text.len() / 2]), text.len() as u64 / 2);
    }

    #[test]
    fn json_by_any_of_its_names() {
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json", "text/json", ""] {
            assert!(is_json(kind), "{kind}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"] {
            assert!(!is_json(kind), "{kind}");
        }
    }
}
