//! An invoke as observers see it, from its beginning to any end.

use std::{sync::Arc, time::Instant};

use crate::{
    chat::{
        error::{Error, ErrorKind},
        request::Request,
        response::Response,
    },
    telemetry::{
        meters::ModelMeters,
        scope::Scope,
        spans::{invoke_ended, invoke_span},
    },
};

/// An invoke under way. Dropped before its end, it was cancelled.
pub(crate) struct ObservedInvoke {
    meters: Arc<ModelMeters>,
    pub(crate) span: Scope,
    content: bool,
    started: Instant,
    has_ended: bool,
}

impl ObservedInvoke {
    /// Starts observing an invoke. Its span holds the messages if `content` says so.
    pub(crate) fn begin(meters: Arc<ModelMeters>, request: &Request, content: bool) -> Self {
        let span = invoke_span(meters.provider(), meters.model(), request, content);
        Self { meters, span, content, started: Instant::now(), has_ended: false }
    }

    /// Notes that the answer begins to come.
    pub(crate) fn committed(&self) {
        self.meters.committed(self.started.elapsed());
    }

    /// Records how the invoke ended.
    pub(crate) fn end(mut self, result: Result<&Response, &Error>) {
        self.has_ended = true;
        self.record(result);
    }

    fn record(&self, result: Result<&Response, &Error>) {
        invoke_ended(&self.span, result, self.content);
        self.meters.ended(self.started.elapsed(), result);
    }
}

impl Drop for ObservedInvoke {
    fn drop(&mut self) {
        if !self.has_ended {
            self.record(Err(&ErrorKind::Cancelled.into()));
        }
    }
}
