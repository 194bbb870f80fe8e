//! A loaded model: what an agent invokes.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures::future::BoxFuture;

use crate::{
    adapter::answer::Answer,
    assembly::host::Shared,
    call::{
        cancel::{Cancel, CancelOnDrop},
        invoke::{Call, Invoke},
        provider::Provider,
        stream::ResponseStream,
    },
    chat::{
        config_error::ConfigError,
        error::{Error, ErrorKind},
        message::Message,
        request::{Options, Request, Tool},
        reserved,
        response::Response,
    },
    telemetry::{meters::ModelMeters, observed::Observed, spans::invoke_traced, trace::Trace},
};

/// How long after the deadline a chain may take to say what it was doing.
const GRACE: Duration = Duration::from_millis(50);

/// A loaded model. Cheap to clone, and meant to be shared.
#[derive(Clone)]
pub struct Model {
    pub(crate) chain: Arc<dyn Provider>,
    pub(crate) modules: Arc<[Arc<str>]>,
    pub(crate) meters: Arc<ModelMeters>,
    /// Options of requests that do not set them.
    pub(crate) options: Arc<Options>,
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Model")
            .field("name", &self.name())
            .field("model", &self.model())
            .field("modules", &self.modules)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// The name of the provider at the end of the chain.
    pub fn name(&self) -> &str {
        self.chain.name()
    }

    /// The model that the provider is asked for.
    pub fn model(&self) -> &str {
        self.chain.model()
    }

    /// The modules of the chain, outermost first.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(AsRef::as_ref)
    }

    /// Whether a call can be made at all, a key included.
    ///
    /// # Errors
    ///
    /// What stands in the way.
    pub fn validate_config(&self) -> Result<(), String> {
        self.chain.validate_config()
    }

    /// Asks the model, with every option at its default.
    ///
    /// Dropping the future cancels the call: nothing further is sent.
    ///
    /// # Errors
    ///
    /// Why there is no answer, with the attempts that were made.
    pub async fn invoke(&self, messages: &[Message], tools: &[Tool]) -> Result<Response, Error> {
        self.invoke_with(Request::new(messages).with_tools(tools)).await
    }

    /// Asks the model, with options. Takes a [`Request`], or an `Arc` of one that is asked more than once.
    ///
    /// # Errors
    ///
    /// As [`invoke`](Model::invoke).
    // Not an `async fn`, whose future would have room for the request as it was given, too.
    pub fn invoke_with(
        &self,
        request: impl Into<Arc<Request>>,
    ) -> impl Future<Output = Result<Response, Error>> + Send {
        self.run(request.into(), std::future::pending())
    }

    /// Asks the model, and gives up as soon as `stop` is ready. Unlike dropping the future, that still tells what was
    /// tried: the error is [`Cancelled`](ErrorKind::Cancelled), with the trail.
    ///
    /// # Errors
    ///
    /// As [`invoke`](Model::invoke).
    pub fn invoke_until(
        &self,
        request: impl Into<Arc<Request>>,
        stop: impl Future<Output = ()>,
    ) -> impl Future<Output = Result<Response, Error>> {
        self.run(request.into(), stop)
    }

    async fn run(&self, request: Arc<Request>, stop: impl Future<Output = ()>) -> Result<Response, Error> {
        let (Begun { invoke, observed, dropped }, asking) = self.begin(request, false)?;
        let result = tokio::select! {
            // First, so that what stops the call is looked out for before anything is sent.
            biased;
            () = stop => Err(ErrorKind::Cancelled),
            // A module may write its answer piece by piece, asked for or not.
            result = whole(asking) => result,
            () = late(invoke.clone(), dropped) => Err(ErrorKind::DeadlineExceeded),
        };
        // Whatever a module has made of it.
        let result = invoke.exceeded().map_or(result, Err);
        let result = match result {
            Ok(response) => Ok(Response { trail: invoke.trail(), ..response }),
            Err(kind) => Err(Error { trail: invoke.trail(), ..invoke.explained(kind).into() }),
        };
        observed.end(result.as_ref());
        result
    }

    /// Asks the model for an answer that comes in events, with every option at its default.
    ///
    /// Dropping the stream cancels the call: nothing further is sent, and its connection is closed.
    pub fn stream(&self, messages: &[Message], tools: &[Tool]) -> ResponseStream {
        self.stream_with(Request::new(messages).with_tools(tools))
    }

    /// Asks the model for an answer that comes in events, with options. Takes a [`Request`], or an `Arc` of one that is
    /// asked more than once.
    pub fn stream_with(&self, request: impl Into<Arc<Request>>) -> ResponseStream {
        match self.begin(request.into(), true) {
            Ok((begun, asking)) => ResponseStream::new(begun, asking),
            Err(error) => ResponseStream::failed(error),
        }
    }

    /// Begins a call.
    fn begin(&self, mut request: Arc<Request>, streamed: bool) -> Result<(Begun, Asking), Error> {
        if tokio::runtime::Handle::try_current().is_err() {
            let problem = "a model is loaded and invoked inside of a Tokio runtime";
            return Err(ConfigError::new(problem).into());
        }
        if *self.options != Options::default() {
            Arc::make_mut(&mut request).options.fill(&self.options);
        }
        reserved::check(&request).map_err(|reserved| Error::from(reserved.usage()))?;
        let budget = request.options.deadline.unwrap_or(self.shared.config.deadline);
        let (max_attempts, number) = (self.shared.config.max_attempts, self.shared.next_call());
        let invoke = Invoke::start(budget, max_attempts, self.shared.seed, number, streamed);
        let trace = self.trace(&request, number)?;
        if let Some(trace) = trace {
            invoke.set_trace(trace);
        }
        let cancel = Cancel::default();
        let dropped = cancel.on_drop();
        let observed = Observed::begin(&*self.chain, self.meters.clone(), &request, self.shared.config.trace_content);
        let span = observed.span.clone();
        if let Some(trace) = &trace {
            invoke_traced(&span, trace);
        }
        let call = Call { request, invoke: invoke.clone(), asked_by: None, held: self.chain.hold(), cancel, span };
        Ok((Begun { invoke, observed, dropped }, self.chain.clone().invoke(call)))
    }
}

impl Model {
    /// The trace that providers are told of, if they are.
    fn trace(&self, request: &Request, number: u64) -> Result<Option<Trace>, Error> {
        if !self.shared.config.propagate_trace {
            return Ok(None);
        }
        let trace = Trace::of_invoke(self.shared.seed, number, request.options.traceparent.as_deref());
        trace.map(Some).map_err(|problem| ConfigError::new(problem).into())
    }
}

/// A chain that is asked.
pub(crate) type Asking = BoxFuture<'static, Result<Answer, ErrorKind>>;

/// All of what is answered.
async fn whole(asking: Asking) -> Result<Response, ErrorKind> {
    let stream = match asking.await? {
        Answer::Whole(response) => return Ok(*response),
        stream @ Answer::Stream { .. } => stream,
    };
    // On the heap, since it is rare and every call would have room for it.
    Box::pin(stream.whole()).await
}

/// A call that has begun.
pub(crate) struct Begun {
    pub(crate) invoke: Arc<Invoke>,
    pub(crate) observed: Observed,
    /// Cancels the call.
    pub(crate) dropped: CancelOnDrop,
}

/// Waits until the deadline, or until a module has asked for too many attempts; cancels the call, and gives the chain the
/// time to say what it was doing. Dropped before, it cancels the call too.
pub(crate) async fn late(invoke: Arc<Invoke>, call: CancelOnDrop) {
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
    drop(call);
    tokio::time::sleep(GRACE).await;
}
