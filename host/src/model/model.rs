//! A loaded model: what an agent invokes.

use std::{any::Any, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use crate::{
    adapter::answer::Answer,
    call::{
        branch::Branch,
        cancel::{Cancel, CancelOnDrop},
        invoke::Invoke,
        stop::{AnswerFuture, Call, Stop as _},
    },
    chat::{
        config_error::ConfigError,
        content::ContentBlock,
        error::{Error, ErrorKind},
        message::Message,
        options::Options,
        refused,
        request::Request,
        reserved,
        response::Response,
        tool::Tool,
    },
    model::{defaults::CallDefaults, live_trail::LiveTrail},
    runtime::chain::Chain,
    telemetry::{meters::ModelMeters, observed::ObservedInvoke, spans::invoke_traced, trace::Trace},
};

/// How long the chain may take, after the deadline, to end its attempts in the trail.
const GRACE: Duration = Duration::from_millis(50);

/// A loaded model. It is cheap to clone and meant to be shared.
#[derive(Clone)]
pub struct Model {
    pub(crate) chain: Chain,
    meters: Arc<ModelMeters>,
    /// Options of requests that do not set them, if there are any.
    options: Option<Arc<Options>>,
    defaults: Arc<CallDefaults>,
    /// Keeps the host alive: modules load other models from it.
    _host: Arc<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Model")
            .field("provider", &self.provider())
            .field("model", &self.model())
            .field("modules", &self.modules().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Model {
    /// A model of this host with this chain.
    pub(crate) fn new(
        chain: Chain,
        options: Options,
        defaults: Arc<CallDefaults>,
        host: Arc<dyn Any + Send + Sync>,
        is_named: bool,
    ) -> Self {
        let meters = Arc::new(ModelMeters::new(chain.end.provider(), chain.end.model(), is_named));
        let options = (options != Options::default()).then(|| Arc::new(options));
        Self { chain, meters, options, defaults, _host: host }
    }

    /// The name of the provider at the end of the chain.
    pub fn provider(&self) -> &str {
        self.chain.end.provider()
    }

    /// The model that the provider is asked for.
    pub fn model(&self) -> &str {
        self.chain.end.model()
    }

    /// The name of the provider. The same as [`provider`](Model::provider).
    pub fn name(&self) -> &str {
        self.provider()
    }

    /// The modules of the chain, outermost first.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.chain.modules.iter().map(|slot| &**slot.module())
    }

    /// The first module of the chain that reads what the model answers. It reads one answer of a call: a request that asks for
    /// several is not for this model.
    pub fn reader(&self) -> Option<&str> {
        self.chain.reader()
    }

    /// Checks, without sending anything, that a call can be made: the modules exist, the URL is valid and there is a
    /// key. A key from a command or from the program is checked at the first call.
    ///
    /// # Errors
    ///
    /// What is wrong, with its place and a way out.
    pub fn validate_config(&self) -> Result<(), ConfigError> {
        self.chain.start().validate_config()
    }

    /// Invokes the model, with every option at its default.
    ///
    /// Dropping the future cancels the call: nothing more is sent.
    ///
    /// # Errors
    ///
    /// Why there is no answer, with the trail of attempts.
    pub async fn invoke(&self, messages: &[Message], tools: &[Tool]) -> Result<Response, Error> {
        self.invoke_with(Request::new(messages).with_tools(tools)).await
    }

    /// Invokes the model with options. Takes a [`Request`], or an `Arc` of one to invoke it more than once.
    ///
    /// # Errors
    ///
    /// As [`invoke`](Model::invoke).
    // Not an `async fn`: its future would also hold the request as it was given.
    pub fn invoke_with(
        &self,
        request: impl Into<Arc<Request>>,
    ) -> impl Future<Output = Result<Response, Error>> + Send {
        self.run(request.into(), std::future::pending(), None)
    }

    /// Invokes the model as [`invoke_until`](Model::invoke_until) does, and shows the attempts meanwhile.
    ///
    /// # Errors
    ///
    /// As [`invoke`](Model::invoke).
    pub fn invoke_watched(
        &self,
        request: impl Into<Arc<Request>>,
        trail: &LiveTrail,
        stop: impl Future<Output = ()>,
    ) -> impl Future<Output = Result<Response, Error>> {
        self.run(request.into(), stop, Some(trail.clone()))
    }

    /// Invokes the model, and gives up when `stop` is ready. The error is then [`Cancelled`](ErrorKind::Cancelled) and
    /// has the trail, which dropping the future loses.
    ///
    /// # Errors
    ///
    /// As [`invoke`](Model::invoke).
    pub fn invoke_until(
        &self,
        request: impl Into<Arc<Request>>,
        stop: impl Future<Output = ()>,
    ) -> impl Future<Output = Result<Response, Error>> {
        self.run(request.into(), stop, None)
    }

    async fn run(
        &self,
        request: Arc<Request>,
        stop: impl Future<Output = ()>,
        trail: Option<LiveTrail>,
    ) -> Result<Response, Error> {
        let (started, answering) = self.start(request, false)?;
        trail.into_iter().for_each(|trail| trail.show(&started.invoke));
        let result = tokio::select! {
            // First, so that a `stop` that is ready already prevents the call.
            biased;
            () = stop => Err(ErrorKind::Cancelled),
            // A module may stream its answer in any call.
            result = whole(answering) => result,
            () = time_out(started.invoke.clone(), started.cancel.clone()) => Err(ErrorKind::DeadlineExceeded),
        };
        // One attempt too many ends the call, even if a module handles the error.
        match started.invoke.exceeded().map_or(result, Err) {
            Ok(response) => Ok(started.answered(response)),
            Err(kind) => match started.invoke.instead_of(&kind) {
                Some(response) => Ok(started.answered(response)),
                None => Err(started.failed(kind, Vec::new())),
            },
        }
    }

    /// Starts a call, and asks the chain.
    pub(crate) fn start(&self, request: Arc<Request>, streamed: bool) -> Result<(StartedCall, AnswerFuture), Error> {
        let request = match &self.options {
            Some(options) => request.change_options(|own| own.fill(options)),
            None => request,
        };
        let (started, call) = StartedCall::start(&self.defaults, &self.meters, request, streamed)?;
        if call.request.original.given().is_some() && self.chain.reader().is_some() {
            started.invoke.set_reads_answers();
        }
        Ok((started, self.chain.start().invoke(call)))
    }
}

/// Waits for the whole answer.
async fn whole(answering: AnswerFuture) -> Result<Response, ErrorKind> {
    let answer = match answering.await? {
        Answer::Whole(response) => return Ok(*response),
        answer @ Answer::Stream { .. } => answer,
    };
    Box::pin(answer.whole()).await
}

/// A call that has started. Dropping it cancels it.
pub(crate) struct StartedCall {
    pub(crate) invoke: Arc<Invoke>,
    observed: ObservedInvoke,
    pub(crate) cancel: Cancel,
    _dropped: CancelOnDrop,
}

impl StartedCall {
    /// Starts a call. Nothing is sent before a stop is asked with the returned [`Call`].
    ///
    /// # Errors
    ///
    /// Where the request is not valid, or there is no Tokio runtime.
    pub(crate) fn start(
        defaults: &CallDefaults,
        meters: &Arc<ModelMeters>,
        request: Arc<Request>,
        streamed: bool,
    ) -> Result<(Self, Call), Error> {
        if tokio::runtime::Handle::try_current().is_err() {
            let problem = "a model needs a Tokio runtime: load and invoke it inside of one, such as `#[tokio::main]`";
            return Err(ConfigError::new(problem).into());
        }
        refused::check(&request)?;
        reserved::check(&request).map_err(|reserved| Error::from(reserved.usage()))?;
        let (budget, number) = (request.options.deadline.unwrap_or(defaults.deadline), defaults.next_call());
        let trace = trace(defaults, &request, number)?;
        let invoke = Invoke::start(budget, defaults.max_attempts, defaults.seed, number, streamed);
        let observed = ObservedInvoke::begin(meters.clone(), &request, defaults.trace_content);
        if let Some(trace) = trace {
            invoke_traced(&observed.span, &trace);
            invoke.set_trace(trace);
        }
        let cancel = Cancel::default();
        let branch = Branch { invoke: invoke.clone(), cancel: cancel.clone(), span: observed.span.clone(), line: None };
        let _dropped = cancel.on_drop();
        Ok((Self { invoke, observed, cancel, _dropped }, Call { request, asked_by: None, branch }))
    }

    /// Notes that the answer has begun to come. The modules have answered, so their part is over.
    pub(crate) fn committed(&self) {
        self.observed.committed();
        self.cancel.cancel();
    }

    /// Ends the call with its answer.
    pub(crate) fn answered(self, mut response: Response) -> Response {
        self.cancel.cancel();
        (response.trail, response.notes) = (self.invoke.trail(), self.invoke.notes());
        self.observed.end(Ok(&response));
        response
    }

    /// Ends the call with an error. Drop the answer first, so that its attempt ends in the trail.
    pub(crate) fn failed(self, mut kind: ErrorKind, mut received: Vec<ContentBlock>) -> Error {
        if let ErrorKind::Api(api) = &mut kind {
            let before = api.take_received();
            received = if received.is_empty() { before } else { received };
        }
        self.cancel.cancel();
        let (trail, notes) = (self.invoke.trail(), self.invoke.notes());
        let error = Error { kind: self.invoke.explained(kind), trail, notes, received };
        self.observed.end(Err(&error));
        error
    }
}

/// The trace that providers are told of, if the host propagates traces.
fn trace(defaults: &CallDefaults, request: &Request, number: u64) -> Result<Option<Trace>, Error> {
    if !defaults.propagate_trace {
        return Ok(None);
    }
    let trace = Trace::of_invoke(defaults.seed, number, request.options.traceparent.as_deref());
    trace.map(Some).map_err(|problem| ConfigError::new(problem).into())
}

/// Waits for the deadline, or for one attempt too many. Then cancels the call, and gives the chain time to end its
/// attempts.
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
