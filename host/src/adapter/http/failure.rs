//! Errors of the network: the kind, the server, and the cause.

use std::{error::Error, fmt, io, time::Duration};

use crate::{
    adapter::excerpt::clean,
    chat::{error::ErrorKind, failure::Failure},
    config::provider::{ProviderConfig, authority},
};

/// The request could not be sent, or no answer came.
pub(crate) fn sending(provider: &ProviderConfig, error: reqwest::Error) -> ErrorKind {
    let connecting = error.is_connect();
    let timeout = error.is_timeout();
    let error = error.without_url();
    let to = authority(&provider.base_url);
    if timeout && connecting && !is_system_error(&error) {
        let limit = TimeLimit::of(provider, "connect_timeout_seconds", provider.connect_timeout);
        return ErrorKind::Timeout(Failure::new(&provider.name, format!("no connection to {to} within {limit}")));
    }
    let why = causes(&error);
    let message = match connecting {
        true => format!("cannot connect to {to}: {why}"),
        false => format!("the connection to {to} broke: {why}"),
    };
    let failure = Failure::new(&provider.name, message);
    if timeout { ErrorKind::Timeout(failure) } else { ErrorKind::Connection(failure) }
}

/// Whether the server says that it has not processed the request: it refused the stream of HTTP/2, or closes the
/// connection and names an earlier stream as its last one (RFC 9113, section 8.7).
///
/// HTTP/1 has no way to say so. There the client itself takes another connection if it finds one closed before it writes
/// the request. Later the server may have read all of it.
pub(crate) fn is_unprocessed(error: &reqwest::Error) -> bool {
    let error = sources(error).find_map(|error| error.downcast_ref::<h2::Error>());
    // Only the streams above the last one fail with the GOAWAY.
    error.is_some_and(|error| {
        let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (error.is_go_away() || is_refused)
    })
}

/// No answer came within the time of one attempt.
pub(crate) fn no_answer(provider: &ProviderConfig) -> ErrorKind {
    let limit = TimeLimit::of(provider, "timeout_seconds", provider.timeout);
    let message = format!("no answer from {} within {limit}", authority(&provider.base_url));
    ErrorKind::Timeout(Failure::new(&provider.name, message))
}

/// A streamed answer did not begin in time.
pub(crate) fn no_event(provider: &ProviderConfig) -> ErrorKind {
    let limit = match provider.first_event_timeout {
        Some(limit) => TimeLimit::of(provider, "first_event_timeout_seconds", limit),
        None => TimeLimit::of(provider, "timeout_seconds", provider.timeout),
    };
    let message = format!("{} did not begin to answer within {limit}", authority(&provider.base_url));
    ErrorKind::Timeout(Failure::new(&provider.name, message))
}

/// A streamed answer paused for too long.
pub(crate) fn idle(provider: &ProviderConfig) -> ErrorKind {
    let limit = TimeLimit::of(provider, "idle_timeout_seconds", provider.idle_timeout);
    let message = format!("the answer of {} paused for more than {limit}", authority(&provider.base_url));
    ErrorKind::Timeout(Failure::new(&provider.name, message))
}

/// An answer was not whole within the time of one attempt.
pub(crate) fn unfinished(provider: &ProviderConfig) -> ErrorKind {
    let limit = TimeLimit::of(provider, "timeout_seconds", provider.timeout);
    let message = format!("the answer of {} was not whole within {limit}", authority(&provider.base_url));
    ErrorKind::Timeout(Failure::new(&provider.name, message))
}

/// The connection broke in the middle of an answer.
pub(crate) fn reading(provider: &ProviderConfig, error: reqwest::Error) -> ErrorKind {
    let timeout = error.is_timeout();
    let why = causes(&error.without_url());
    let message = format!("the answer of {} broke off: {why}", authority(&provider.base_url));
    let failure = Failure::new(&provider.name, message);
    if timeout { ErrorKind::Timeout(failure) } else { ErrorKind::Connection(failure) }
}

/// Says that a body cannot be decompressed, if that is the error. A body that ends too early is not whole instead.
pub(crate) fn corrupt(error: &reqwest::Error) -> Option<String> {
    // An error of the decompressor is the direct source. An error of the connection has another error in between.
    let error = error.source()?.downcast_ref::<io::Error>()?;
    let corrupt = error.kind() != io::ErrorKind::UnexpectedEof;
    corrupt.then(|| format!("the body does not decompress: {error}"))
}

/// A limit, and the setting that changes it.
struct TimeLimit<'a> {
    provider: &'a str,
    key: &'static str,
    limit: Duration,
}

impl<'a> TimeLimit<'a> {
    fn of(provider: &'a ProviderConfig, key: &'static str, limit: Duration) -> Self {
        Self { provider: &provider.name, key, limit }
    }
}

impl fmt::Display for TimeLimit<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} s (providers.{}.{})", self.limit.as_secs_f64(), self.provider, self.key)
    }
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}

fn is_system_error(error: &reqwest::Error) -> bool {
    sources(error).any(|error| error.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some()))
}

/// The causes from the outside in. Leaves out repetitions and wrappers that say nothing.
fn causes(error: &reqwest::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    for source in sources(error) {
        let text = source.to_string();
        let is_wrapping = text.starts_with("client error (") || text == "request or response body error";
        if !is_wrapping && !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
    }
    // The names in a certificate are text from outside.
    clean(&if said.is_empty() { error.to_string() } else { said.join(": ") }, None)
}
