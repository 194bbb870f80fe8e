//! Notes how a request ends: in the log and in the counters.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use arcllm::RequestLog;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode};

use crate::{
    client::{problem::WrongField, request_id},
    gateway::{
        caller::{Caller, Ending, Told},
        gateway::Gateway,
        shared::{Counted, Shared},
    },
    page::{call_record::CallRecord, cost::of_call, recent_calls::ThreadCalls},
    telemetry::{
        log::{self, Line},
        metrics::{count_request, count_use},
    },
};

/// The status of a request whose client left before the answer, as other servers log it. Nobody gets it.
const CLIENT_LEFT: u16 = 499;

/// The longest path that is kept, in bytes.
const LONGEST_PATH: usize = 200;

/// A request under way. It is noted when it is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    shared: Arc<Shared>,
    calls: Arc<ThreadCalls>,
    at: SystemTime,
    begun: Instant,
    method: Method,
    path: String,
    caller: Caller,
    /// Absent until the answer begins.
    status: Option<StatusCode>,
    /// The name of the request.
    id: Option<HeaderValue>,
    /// The field that is wrong, if one is.
    param: Option<WrongField>,
    permit: Option<Counted>,
}

impl Entry {
    pub(crate) fn begin(gateway: &Gateway, method: &Method, path: &str) -> Self {
        let path = path.get(..path.floor_char_boundary(LONGEST_PATH)).unwrap_or_default().to_owned();
        let (at, begun) = (SystemTime::now(), Instant::now());
        let (shared, calls) = (gateway.shared.clone(), gateway.calls.clone());
        let (method, caller) = (method.clone(), Caller::default());
        Self { shared, calls, at, begun, method, path, caller, status: None, id: None, param: None, permit: None }
    }

    pub(crate) fn called_by(mut self, caller: &Caller) -> Self {
        self.caller = caller.clone();
        self
    }

    /// Keeps the permit until the answer has ended.
    pub(crate) fn permitted(mut self, permit: Option<Counted>) -> Self {
        self.permit = permit;
        self
    }

    /// Notes the answer, whose head is about to be sent.
    pub(crate) fn answered(&mut self, head: &Response) {
        self.status = Some(head.status());
        self.id = head.headers().get(&request_id::HEADER).cloned();
        self.param = head.extensions().get().cloned();
    }
}

impl Entry {
    fn log(&self, status: u16, told: &Told) {
        // Probes, and what the page reads, come every few seconds.
        let is_probe =
            self.path.starts_with("/health/") || ["/metrics", "/api/overview", "/api/calls"].contains(&&*self.path);
        if self.shared.log == RequestLog::Off || is_probe && status < 400 {
            return;
        }
        let cost = of_call(&told.trail);
        let line = Line {
            at: self.at,
            took: self.begun.elapsed(),
            method: self.method.as_str(),
            path: &self.path,
            key: self.caller.key(),
            status,
            id: self.id.as_ref().and_then(|id| id.to_str().ok()),
            param: self.param.as_ref().map(|param| &*param.0),
            told,
            cost,
        };
        log::write(self.shared.log, &line);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let status = self.status.map_or(CLIENT_LEFT, |status| status.as_u16());
        let told = std::mem::take(&mut *self.caller.told());
        // Also behind the head of a streamed answer.
        let status = if matches!(told.ending, Some(Ending::Left)) { CLIENT_LEFT } else { status };
        count_request(&self.path, status);
        if let Some(key) = self.caller.key().filter(|_| !told.trail.is_empty()) {
            count_use(key, &told.trail);
        }
        self.shared.refusals.tell(&told.trail);
        self.log(status, &told);
        if let Some(call) = CallRecord::of(told, status, self.caller.key(), self.at, self.begun.elapsed()) {
            self.calls.add(call);
        }
    }
}
