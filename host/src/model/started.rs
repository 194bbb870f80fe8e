//! A call that has started, from the model's side: its budget, its observer and what cancels it.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use crate::{
    call::{
        branch::Branch,
        cancel::{Cancel, CancelOnDrop},
        invoke::Invoke,
        stop::Call,
    },
    chat::{
        content::ContentBlock,
        error::{Error, ErrorKind, Failure},
        request::Request,
        reserved,
        response::Response,
    },
    model::defaults::CallDefaults,
    telemetry::{meters::ModelMeters, observed::Observed, spans::invoke_traced, trace::Trace},
};

/// How long after the deadline a chain may take to say what it was doing.
const GRACE: Duration = Duration::from_millis(50);

/// A call that has started. Dropped, it is cancelled.
pub(crate) struct StartedCall {
    pub(crate) invoke: Arc<Invoke>,
    observed: Observed,
    pub(crate) cancel: Cancel,
    _dropped: CancelOnDrop,
}

impl StartedCall {
    /// Starts a call. Nothing is sent before the returned call is made of a stop.
    ///
    /// # Errors
    ///
    /// Where the request cannot be sent to anybody, or there is no Tokio runtime.
    pub(crate) fn start(
        defaults: &CallDefaults,
        meters: &Arc<ModelMeters>,
        request: Arc<Request>,
        streamed: bool,
    ) -> Result<(Self, Call), Error> {
        if tokio::runtime::Handle::try_current().is_err() {
            let problem = "a model is loaded and invoked inside of a Tokio runtime";
            return Err(ErrorKind::Config(Failure::new("", problem)).into());
        }
        reserved::check(&request).map_err(|reserved| Error::from(reserved.usage()))?;
        let (budget, number) = (request.options.deadline.unwrap_or(defaults.deadline), defaults.next_call());
        let trace = trace(defaults, &request, number)?;
        let invoke = Invoke::start(budget, defaults.max_attempts, defaults.seed, number, streamed);
        let observed = Observed::begin(meters.clone(), &request, defaults.trace_content);
        if let Some(trace) = trace {
            invoke_traced(&observed.span, &trace);
            invoke.set_trace(trace);
        }
        let cancel = Cancel::default();
        let branch = Branch { invoke: invoke.clone(), cancel: cancel.clone(), span: observed.span.clone() };
        let _dropped = cancel.on_drop();
        Ok((Self { invoke, observed, cancel, _dropped }, Call { request, asked_by: None, branch }))
    }

    /// Notes that the answer has begun to come. The modules of the call have answered, so the call itself is over; the
    /// answer goes on for as long as it is read.
    pub(crate) fn committed(&self) {
        self.observed.committed();
        self.cancel.cancel();
    }

    /// Ends the call with its answer.
    pub(crate) fn answered(self, mut response: Response) -> Response {
        self.cancel.cancel();
        response.trail = self.invoke.trail();
        self.observed.end(Ok(&response));
        response
    }

    /// Ends the call with an error. Drop what was asked before: its attempt then has its end in the trail.
    pub(crate) fn failed(self, kind: ErrorKind, received: Vec<ContentBlock>) -> Error {
        self.cancel.cancel();
        let error = Error { kind: self.invoke.explained(kind), trail: self.invoke.trail(), received };
        self.observed.end(Err(&error));
        error
    }
}

/// The trace that providers are told of, if they are.
fn trace(defaults: &CallDefaults, request: &Request, number: u64) -> Result<Option<Trace>, Error> {
    if !defaults.propagate_trace {
        return Ok(None);
    }
    let trace = Trace::of_invoke(defaults.seed, number, request.options.traceparent.as_deref());
    trace.map(Some).map_err(|problem| ErrorKind::Config(Failure::new("", problem)).into())
}

/// Waits until the deadline, or until a module has asked for too many attempts. Then cancels the call, and gives the chain
/// the time to say what it was doing.
pub(crate) async fn time_out(invoke: Arc<Invoke>, cancel: Cancel) {
    {
        let mut deadline = pin!(async {
            match invoke.deadline() {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        });
        poll_fn(|context| match invoke.poll_exceeded(context) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => deadline.as_mut().poll(context),
        })
        .await;
    }
    cancel.cancel();
    tokio::time::sleep(GRACE).await;
}
