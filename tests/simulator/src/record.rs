//! What the simulator remembers of the requests it got.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use crate::credentials::Credentials;
use crate::format::Format;
use crate::request::Request;
use crate::state::{Progress, State};

/// One request, as it came. Keys in its headers are redacted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recorded {
    /// Counts the simulator's requests from 1.
    pub number: u64,
    /// Counts the simulator's connections from 1: requests that share one were sent over one connection.
    pub connection: u64,
    /// When the request was whole.
    pub at: Instant,
    /// The same, counted from the simulator's start.
    pub since_start: Duration,
    /// The HTTP method.
    pub method: String,
    /// The path, with the query if there is one.
    pub path: String,
    /// The headers in their order, names in lower case. Of `authorization` and `proxy-authorization` only the scheme
    /// is kept, of `x-api-key`, `api-key` and `cookie` nothing but the name.
    pub headers: Vec<(String, String)>,
    /// The body; a body that is not JSON is a string, an absent one is an empty string.
    pub body: Value,
    /// The format that the request asks for, if it is one that the simulator knows.
    pub format: Option<Format>,
    /// The reply in a few words: `429`, `200 after 0.5 s`, `reset`.
    pub reply: String,
    /// How long after [`Recorded::at`] the simulator noticed that the client had left before the reply was whole.
    /// `None` if the reply was whole, if the simulator ended the connection, and while the client waits.
    pub closed_after: Option<Duration>,
    /// How many bytes of the reply's body had been handed to the system when the reply, or the connection, ended:
    /// without its framing, and compressed if it was. 0 until then.
    pub sent_bytes: u64,
    /// How many events of a stream had been handed to the system as a whole when the reply, or the connection, ended.
    /// 0 until then.
    pub sent_events: u64,
    pub(crate) credentials: Credentials,
}

impl Recorded {
    /// A request that is whole. Its number and its reply follow.
    pub(crate) fn of(request: Request, connection: u64, started: Instant) -> Recorded {
        let at = Instant::now();
        let body = serde_json::from_slice(&request.body)
            .unwrap_or_else(|_| String::from_utf8_lossy(&request.body).into_owned().into());
        let mut credentials = Credentials::default();
        let headers = request.headers.into_iter().map(|(name, value)| {
            let value = credentials.redact(&name, value);
            (name, value)
        });
        Recorded {
            number: 0,
            connection,
            at,
            since_start: at.saturating_duration_since(started),
            headers: headers.collect(),
            body,
            format: Format::of_endpoint(&request.target).filter(|_| request.method == "POST"),
            method: request.method,
            path: request.target,
            reply: String::new(),
            closed_after: None,
            sent_bytes: 0,
            sent_events: 0,
            credentials,
        }
    }

    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    /// Whether the request carried this key, in one of the headers that are redacted: as the whole value or, in
    /// `authorization`, after the scheme. The key itself is not kept, only a salted hash of it.
    pub fn authorized_with(&self, secret: &str) -> bool {
        self.credentials.contain(secret)
    }

    /// Whether the client left before the reply was whole.
    pub fn dropped(&self) -> bool {
        self.closed_after.is_some()
    }
}

/// The requests of a simulator, one after the other, as they come. Made by
/// [`Simulator::log`](crate::Simulator::log).
#[derive(Debug)]
pub struct RequestLog {
    state: Arc<State>,
    progress: watch::Receiver<Progress>,
    last: u64,
}

impl RequestLog {
    pub(crate) fn new(state: Arc<State>) -> RequestLog {
        RequestLog { progress: state.progress(), state, last: 0 }
    }

    /// The next request, as soon as it is whole and before it is answered. `None`: the simulator has stopped, and
    /// there were no more.
    pub async fn next(&mut self) -> Option<Recorded> {
        loop {
            let stopped = self.progress.borrow_and_update().stopped;
            if let Some(recorded) = self.state.after(self.last) {
                self.last = recorded.number;
                return Some(recorded);
            }
            if stopped || self.progress.changed().await.is_err() {
                return None;
            }
        }
    }
}
