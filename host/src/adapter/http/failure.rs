//! What went wrong on the network, as an error for a person: which kind, with whom, and why in the end.

use std::{error::Error, fmt, io, time::Duration};

use crate::{
    adapter::excerpt::clean,
    chat::error::{ErrorKind, Failure},
    config::provider::{ProviderConfig, authority},
};

/// No answer: nothing came back for the request.
pub(crate) fn sending(provider: &ProviderConfig, error: reqwest::Error) -> ErrorKind {
    let connecting = error.is_connect();
    let timeout = error.is_timeout();
    let error = error.without_url();
    let to = authority(&provider.base_url);
    if timeout && connecting && !is_system_error(&error) {
        let limit = Limit::of(provider, "connect_timeout_seconds", provider.connect_timeout);
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

/// No answer within the time of one attempt.
pub(crate) fn no_answer(provider: &ProviderConfig) -> ErrorKind {
    let limit = Limit::of(provider, "timeout_seconds", provider.timeout);
    let message = format!("no answer from {} within {limit}", authority(&provider.base_url));
    ErrorKind::Timeout(Failure::new(&provider.name, message))
}

/// An answer that is to be streamed, and said nothing within the time for that.
pub(crate) fn no_event(provider: &ProviderConfig) -> ErrorKind {
    let limit = match provider.first_event_timeout {
        Some(limit) => Limit::of(provider, "first_event_timeout_seconds", limit),
        None => Limit::of(provider, "timeout_seconds", provider.timeout),
    };
    let message = format!("{} did not begin to answer within {limit}", authority(&provider.base_url));
    ErrorKind::Timeout(Failure::new(&provider.name, message))
}

/// A streamed answer in which nothing more came.
pub(crate) fn idle(provider: &ProviderConfig) -> ErrorKind {
    let limit = Limit::of(provider, "idle_timeout_seconds", provider.idle_timeout);
    let message = format!("the answer of {} paused for more than {limit}", authority(&provider.base_url));
    ErrorKind::Timeout(Failure::new(&provider.name, message))
}

/// An answer that began, but was not whole within the time of one attempt.
pub(crate) fn unfinished(provider: &ProviderConfig) -> ErrorKind {
    let limit = Limit::of(provider, "timeout_seconds", provider.timeout);
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

/// Why a body is whole and yet unreadable, if it is: it does not decompress. One that ends too early is not whole.
pub(crate) fn corrupt(error: &reqwest::Error) -> Option<String> {
    // The decompressor's error stands right below reqwest's; the connection's has another between.
    let error = error.source()?.downcast_ref::<io::Error>()?;
    let corrupt = error.kind() != io::ErrorKind::UnexpectedEof;
    corrupt.then(|| format!("the body does not decompress: {error}"))
}

/// A limit of the config, and the key that changes it.
struct Limit<'a> {
    provider: &'a str,
    key: &'static str,
    limit: Duration,
}

impl<'a> Limit<'a> {
    fn of(provider: &'a ProviderConfig, key: &'static str, limit: Duration) -> Self {
        Self { provider: &provider.name, key, limit }
    }
}

impl fmt::Display for Limit<'_> {
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

/// The causes from the outside in, each said once, without the wrapping that says nothing.
fn causes(error: &reqwest::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    for source in sources(error) {
        let text = source.to_string();
        let is_wrapping = text.starts_with("client error (") || text == "request or response body error";
        if !is_wrapping && !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
    }
    // A certificate's names are a stranger's text too.
    clean(&if said.is_empty() { error.to_string() } else { said.join(": ") }, None)
}
