//! Notes a call for the page when it ends.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use arcllm::{Attempt, Error, Response};

use crate::page::{
    call_record::{CallRecord, Ending},
    recent_calls::ThreadCalls,
};

/// A call under way. Dropped before its end, it says that the client has left.
#[derive(Debug)]
pub(crate) struct CallNote {
    calls: Arc<ThreadCalls>,
    at: SystemTime,
    started: Instant,
    key: Option<String>,
    asked: String,
    streamed: bool,
    has_ended: bool,
}

impl CallNote {
    /// Begins to time a call of this model.
    pub(crate) fn begin(calls: &Arc<ThreadCalls>, asked: &str, streamed: bool, key: Option<&str>) -> Self {
        calls.begun();
        Self {
            calls: calls.clone(),
            at: SystemTime::now(),
            started: Instant::now(),
            key: key.map(str::to_owned),
            asked: asked.to_owned(),
            streamed,
            has_ended: false,
        }
    }

    /// The call has this answer.
    pub(crate) fn answered(&mut self, response: &Response) {
        let (provider, model, usage) = (response.provider.clone(), response.model.clone(), response.usage.clone());
        self.end(Ending::Answered { provider, model, usage: Box::new(usage) }, response.trail.clone());
    }

    /// The call has failed.
    pub(crate) fn failed(&mut self, error: &Error) {
        self.end(Ending::Failed(error.kind.as_str()), error.trail.clone());
    }

    /// The call has failed with an error of this kind, and nobody was asked.
    pub(crate) fn failed_as(&mut self, kind: &'static str) {
        self.end(Ending::Failed(kind), Vec::new());
    }

    /// The client has left. The error is what the call ended with.
    pub(crate) fn left(&mut self, error: Option<Error>) {
        self.end(Ending::Left, error.map(|error| error.trail).unwrap_or_default());
    }

    fn end(&mut self, ending: Ending, trail: Vec<Attempt>) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        self.calls.ended(CallRecord {
            at: self.at,
            took: self.started.elapsed(),
            key: self.key.take(),
            asked: std::mem::take(&mut self.asked),
            streamed: self.streamed,
            ending,
            attempts: trail.len(),
            trail,
        });
    }
}

impl Drop for CallNote {
    fn drop(&mut self) {
        self.end(Ending::Left, Vec::new());
    }
}
