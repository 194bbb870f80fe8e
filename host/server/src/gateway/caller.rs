//! Who asks, and what the log is told of the call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arcllm::{Attempt, Error, ErrorKind, ErrorReason, LiveTrail, Options, Response, Usage};
use http::HeaderMap;
use serde_json::Value;

use crate::gateway::keys::Holder;

/// The longest name of a model that a client may ask for, in bytes. Names stand in heads, in the log and in counters.
pub(crate) const LONGEST_NAME: usize = 256;

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// Absent where no keys are set.
    pub(crate) holder: Option<Arc<Holder>>,
    told: Arc<Mutex<Told>>,
}

/// What the log is told of a call.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The model, as the client named it.
    pub(crate) asked: Option<String>,
    /// Whether the answer is wanted in events.
    pub(crate) streamed: bool,
    pub(crate) ending: Option<Ending>,
    /// What the operator should know of an error, and the client need not: addresses and settings. It has no content.
    pub(crate) cause: Option<String>,
    /// What an error means, and the module that refused the call, if one has.
    pub(crate) reason: Option<ErrorReason>,
    pub(crate) refused_by: Option<String>,
    pub(crate) trail: Vec<Attempt>,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With an answer of this provider and model.
    Answered { provider: String, model: String, usage: Usage },
    /// With an error of this kind.
    Failed(&'static str),
    /// The client left before the end.
    Left,
}

impl Caller {
    pub(crate) fn new(holder: Option<Arc<Holder>>) -> Self {
        Self { holder, told: Arc::default() }
    }

    /// The name of the key, if there are keys.
    pub(crate) fn key(&self) -> Option<&str> {
        self.holder.as_ref().map(|holder| holder.name.as_str())
    }

    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a call of this model begins.
    pub(crate) fn note(&self, asked: &str, streamed: bool) -> CallNote {
        let mut told = self.told();
        told.asked = asked.get(..asked.floor_char_boundary(LONGEST_NAME)).map(str::to_owned);
        told.streamed = streamed;
        drop(told);
        CallNote { caller: self.clone(), trail: LiveTrail::default(), has_ended: false }
    }

    /// Adds what modules see of who asks: the labels of the key, and the caller's place in a trace.
    pub(crate) fn mark(&self, headers: &HeaderMap, options: &mut Options) {
        if let Some(holder) = &self.holder {
            options.labels.extend(holder.labels.clone());
        }
        let parent = headers.get("traceparent").and_then(|parent| parent.to_str().ok());
        options.traceparent = parent.filter(|parent| is_traceparent(parent)).map(str::to_owned);
    }
}

/// What a log may tell of an error. Other errors may repeat what was said.
fn cause(kind: &ErrorKind) -> Option<String> {
    match kind {
        ErrorKind::Connection(_) | ErrorKind::Timeout(_) | ErrorKind::Config(_) => Some(kind.to_string()),
        ErrorKind::Module(failure) => {
            let told = |name: &str| failure.extensions.get(name).and_then(Value::as_str);
            let module = told("module")?;
            let limit = || told("limit").map(|limit| format!("it asked for more than it may ({limit})"));
            let cause = told("arcllm.cause").map(str::to_owned).or_else(limit)?;
            Some(format!("the module `{module}` failed: {cause}"))
        }
        ErrorKind::Api(api) => {
            let said = api.extensions.get("arcllm.said")?.as_str()?;
            Some(api.message.strip_prefix(said)?.trim_start_matches([' ', ';']).to_owned())
        }
        _ => None,
    }
}

/// Whether this is a place in a trace: <https://www.w3.org/TR/trace-context/>. One that is not is ignored, as it says.
fn is_traceparent(text: &str) -> bool {
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
    match *text.split('-').collect::<Vec<_>>() {
        ["00", trace, span, flags] => {
            is_hex(trace, 32) && is_set(trace) && is_hex(span, 16) && is_set(span) && is_hex(flags, 2)
        }
        _ => false,
    }
}

/// A call under way. Dropped before its end, it notes that the client has left.
#[derive(Debug)]
pub(crate) struct CallNote {
    caller: Caller,
    /// The attempts of a call whose client may leave before its end.
    pub(crate) trail: LiveTrail,
    has_ended: bool,
}

impl CallNote {
    /// The call has this answer.
    pub(crate) fn answered(mut self, response: &Response) {
        let (provider, model, usage) = (response.provider.clone(), response.model.clone(), response.usage.clone());
        self.end(Ending::Answered { provider, model, usage }, response.trail.clone());
    }

    /// The call has failed.
    pub(crate) fn failed(mut self, error: &Error) {
        let mut told = self.caller.told();
        told.cause = cause(&error.kind);
        if let ErrorKind::Api(api) = &error.kind {
            told.reason = Some(api.reason.clone());
            told.refused_by = api.extensions.get("arcllm.refused-by").and_then(Value::as_str).map(str::to_owned);
        }
        drop(told);
        self.end(Ending::Failed(error.kind.as_str()), error.trail.clone());
    }

    /// No provider was asked.
    pub(crate) fn refused(mut self) {
        self.end(Ending::Failed("refused"), Vec::new());
    }

    /// The client has left. The error is what the call ended with.
    pub(crate) fn left(mut self, error: Option<Error>) {
        self.end(Ending::Left, error.map(|error| error.trail).unwrap_or_default());
    }

    fn end(&mut self, ending: Ending, trail: Vec<Attempt>) {
        self.has_ended = true;
        let mut told = self.caller.told();
        told.ending = Some(ending);
        told.trail = trail;
    }
}

impl Drop for CallNote {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end(Ending::Left, self.trail.attempts());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    #[test]
    fn only_a_place_in_a_trace_is_continued() {
        assert!(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for wrong in [
            "",
            "00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        ] {
            assert!(!is_traceparent(wrong), "{wrong}");
        }
    }
}
