//! A loaded model: what an agent invokes.

use std::{any::Any, sync::Arc};

use crate::{
    adapter::answer::Answer,
    call::stop::{Answering, Stop as _},
    chat::{
        error::{Error, ErrorKind},
        message::Message,
        request::{Request, Tool},
        response::Response,
    },
    config::error::ConfigError,
    model::{
        defaults::CallDefaults,
        started::{StartedCall, time_out},
        stream::ResponseStream,
    },
    runtime::chain::Chain,
    telemetry::meters::ModelMeters,
};

/// A loaded model. Cheap to clone, and meant to be shared.
#[derive(Clone)]
pub struct Model {
    chain: Chain,
    meters: Arc<ModelMeters>,
    defaults: Arc<CallDefaults>,
    /// The host lives as long as its models: their modules load other models from it.
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
    pub(crate) fn new(chain: Chain, defaults: Arc<CallDefaults>, host: Arc<dyn Any + Send + Sync>) -> Self {
        let meters = Arc::new(ModelMeters::new(chain.end.provider(), chain.end.model()));
        Self { chain, meters, defaults, _host: host }
    }

    /// The name of the provider at the end of the chain.
    pub fn provider(&self) -> &str {
        self.chain.end.provider()
    }

    /// The model that the provider is asked for.
    pub fn model(&self) -> &str {
        self.chain.end.model()
    }

    /// The name of the provider, the same as [`provider`](Model::provider).
    pub fn name(&self) -> &str {
        self.provider()
    }

    /// The modules of the chain, outermost first.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.chain.modules.iter().map(|slot| &**slot.module())
    }

    /// Checks that a call can be made: the modules are there, the URL is one, and a key is there. Nothing is sent. A key that
    /// a command or the program gives is looked for when it is first needed, and not here.
    ///
    /// # Errors
    ///
    /// What stands in the way.
    pub fn validate_config(&self) -> Result<(), ConfigError> {
        self.chain.start().validate_config()
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

    /// Asks the model, and gives up as soon as `stop` is ready. Unlike dropping the future, that still returns what was
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
        let (started, answering) = self.start(request, false)?;
        let result = tokio::select! {
            // First, so that what stops the call is polled before anything is sent.
            biased;
            () = stop => Err(ErrorKind::Cancelled),
            // A module may write its answer piece by piece, asked for or not.
            result = whole(answering) => result,
            () = time_out(started.invoke.clone(), started.cancel.clone()) => Err(ErrorKind::DeadlineExceeded),
        };
        // One attempt too many ends the call, whatever a module has made of the error.
        match started.invoke.exceeded().map_or(result, Err) {
            Ok(response) => Ok(started.answered(response)),
            Err(kind) => Err(started.failed(kind, Vec::new())),
        }
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
        match self.start(request.into(), true) {
            Ok((started, answering)) => ResponseStream::new(started, answering),
            Err(error) => ResponseStream::failed(error),
        }
    }

    fn start(&self, request: Arc<Request>, streamed: bool) -> Result<(StartedCall, Answering), Error> {
        let (started, call) = StartedCall::start(&self.defaults, &self.meters, request, streamed)?;
        Ok((started, self.chain.start().invoke(call)))
    }
}

/// The whole answer.
async fn whole(answering: Answering) -> Result<Response, ErrorKind> {
    let answer = match answering.await? {
        Answer::Whole(response) => return Ok(*response),
        answer @ Answer::Stream { .. } => answer,
    };
    Box::pin(answer.whole()).await
}
