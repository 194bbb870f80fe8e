//! The adapter for providers that are reached over HTTP.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _};
use reqwest::{
    Client, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;
use url::Url;

use crate::{
    adapter::{
        adapter::Adapter,
        answer::Answer,
        format::{
            table::format,
            tool_names::ToolNames,
            verbatim::{self, Echo, Outgoing},
        },
        http::{
            access::Access,
            asked::Asked,
            body::Body,
            client, client_headers,
            events::Events,
            failure,
            reader::{HttpAnswer, Reader},
            sent_body::SentBody,
        },
    },
    chat::{
        config_error::ConfigError,
        error::ErrorKind,
        failure::Failure,
        original::{KeptOriginal, Original},
        request::Request,
        response::Response,
    },
    config::provider::ProviderConfig,
    telemetry::trace::TraceParent,
};

/// An answer whose head has arrived.
enum Arriving {
    Whole(HttpAnswer),
    Events(Box<Events>),
}

/// Sends requests to one model of one provider.
pub(crate) struct HttpAdapter {
    client: Client,
    /// Whether the client is the program's. Another one would lack its settings, so it also sends again.
    is_programs: bool,
    endpoint: Url,
    headers: HeaderMap,
    asked: Arc<Asked>,
    /// Absent for a provider that needs none.
    access: Option<Access>,
}

impl HttpAdapter {
    /// An adapter for this model. Adapters share their connections.
    ///
    /// # Errors
    ///
    /// `Config` if there is no HTTP client, for example because the system has no certificates.
    pub(crate) fn new(provider: &ProviderConfig, model: String, access: Option<Access>) -> Result<Self, ErrorKind> {
        let client = client::client(&provider.base_url, provider.connect_timeout);
        let client = client.map_err(|error| ConfigError::new(error.to_string()).provider(&provider.name))?;
        Ok(Self { is_programs: false, ..Self::with_client(client, provider, model, access)? })
    }

    /// An adapter that sends with this client of the program.
    ///
    /// # Errors
    ///
    /// `Config` if the format has no headers for this provider.
    pub(crate) fn with_client(
        client: Client,
        provider: &ProviderConfig,
        model: String,
        access: Option<Access>,
    ) -> Result<Self, ErrorKind> {
        let wrong = |message: String| ErrorKind::from(ConfigError::new(message).provider(&provider.name));
        let format = format(provider.adapter);
        let mut headers = format.headers(None).map_err(|error| wrong(error.to_string()))?;
        let mut endpoint = format.endpoint(&provider.base_url);
        if let Some(access) = &access {
            access.add_headers(&mut headers);
            access.add_query(&mut endpoint);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Self {
            client,
            is_programs: true,
            endpoint,
            headers,
            asked: Arc::new(Asked {
                provider: provider.clone(),
                model,
                secrets: access.as_ref().map(|access| access.secrets().clone()),
            }),
            access,
        })
    }

    /// Makes the client for this provider ahead of its first use, because that may load certificates. An error is ignored
    /// here: it comes again when the client is used.
    pub(crate) fn make_client_ready(provider: &ProviderConfig) {
        drop(client::client(&provider.base_url, provider.connect_timeout));
    }

    fn provider(&self) -> &ProviderConfig {
        &self.asked.provider
    }

    /// Makes an attempt whose answer is wanted in one piece.
    async fn attempt(&self, request: &Request) -> Result<Response, ErrorKind> {
        let started = Instant::now();
        let asking = timeout(self.provider().timeout, self.ask(request, false)).await;
        let (head, echo) = asking.map_err(|_| failure::no_answer(self.provider()))??;
        let names = ToolNames::of(request);
        let remaining = self.provider().timeout.saturating_sub(started.elapsed());
        let read = async {
            match self.arriving(head, &names).await? {
                // The server streams although it was not asked to.
                Arriving::Events(events) => events.whole().await,
                Arriving::Whole(answer) => self.read(answer, echo, &names),
            }
        };
        timeout(remaining, read).await.map_err(|_| failure::unfinished(self.provider()))?
    }

    /// Makes an attempt whose answer is wanted in events. Resolves with the first content.
    async fn begin(&self, request: &Request) -> Result<Answer, ErrorKind> {
        let (head, echo) = self.ask(request, true).await?;
        let names = ToolNames::of(request);
        match self.arriving(head, &names).await? {
            Arriving::Events(events) => events.echoing(echo).committed().await,
            // The server sends everything at once although it was asked to stream.
            // The client gets events, which are not the provider's.
            Arriving::Whole(answer) => self.read(answer, None, &names).map(Answer::from),
        }
    }

    /// Reads a whole answer. Keeps its body if the client gets it as it is.
    fn read(&self, answer: HttpAnswer, echo: Option<Echo>, names: &ToolNames) -> Result<Response, ErrorKind> {
        let may_read = echo.is_some_and(|echo| !echo.is_rewritten);
        let mut response = Reader::new(&self.asked).naming(names).read(&answer, may_read)?;
        let (unread, says_more) = (response.original.take_unread(), response.original.says_more());
        match (echo.and_then(|_| verbatim::readable(answer.body)), unread) {
            (Some(body), unread) => {
                response.original = KeptOriginal::of(Original::new(self.provider().adapter, body));
                if !may_read {
                    response.original.change();
                }
                if says_more {
                    response.original.say_more();
                }
                unread.into_iter().for_each(|error| response.original.unread(error));
                Ok(response)
            }
            (None, Some(error)) => Err(error),
            (None, None) => Ok(response),
        }
    }

    /// Reads a whole answer, or only the beginning of a streamed one.
    async fn arriving(&self, mut head: reqwest::Response, names: &ToolNames) -> Result<Arriving, ErrorKind> {
        let mut answer = HttpAnswer::without_body(&mut head);
        let mut body = Body::new(head, self.asked.clone());
        if is_streamed(&answer, &mut body).await {
            answer.detach();
            let events = Events::new(self.asked.clone(), answer, body).naming(names.clone());
            return Ok(Arriving::Events(Box::new(events)));
        }
        body.read_into(&mut answer).await?;
        Ok(Arriving::Whole(answer))
    }

    /// Sends the request and waits for the head of the answer. Returns with it how the client gets the answer.
    async fn ask(&self, request: &Request, stream: bool) -> Result<(reqwest::Response, Option<Echo>), ErrorKind> {
        let wrong = |message: String| ErrorKind::from(ConfigError::new(message).provider(&self.provider().name));
        let usage = |problem: String| ErrorKind::Usage(Failure::new(&self.provider().name, problem));
        let outgoing = verbatim::outgoing(self.asked.format(), request, self.provider(), &self.asked.model, stream);
        let Outgoing { body, echo } = outgoing.map_err(|error| usage(error.to_string()))?;
        let mut headers = self.headers.clone();
        if let Some(original) = request.original.given().filter(|original| original.format == self.provider().adapter) {
            client_headers::add(original, self.provider(), &mut headers).map_err(usage)?;
        }
        if stream {
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        }
        let key = match &self.access {
            Some(access) => {
                let key = access.add_key(&mut headers, self.asked.format()).await;
                Some((access, key.map_err(|error| self.no_key(&error))?))
            }
            None => None,
        };
        if let Some(attempt) = TraceParent::current() {
            let attempt = HeaderValue::try_from(attempt.to_string()).map_err(|error| wrong(error.to_string()))?;
            headers.insert("traceparent", attempt);
        }
        let body = SentBody::from(body);
        tracing::debug!(target: "arcllm::http", bytes = body.len(), "sends a request");
        let head = self.deliver(headers, &body).await?;
        if let Some((access, key)) = key.filter(|_| head.status() == StatusCode::UNAUTHORIZED) {
            access.refused(&key);
        }
        Ok((head, echo))
    }

    /// Sends a body and waits for the head of the answer. Sends it once more, on a new connection, if the server says that
    /// it has not processed it.
    async fn deliver(&self, headers: HeaderMap, body: &SentBody) -> Result<reqwest::Response, ErrorKind> {
        let send =
            |client: &Client| client.post(self.endpoint.clone()).headers(headers.clone()).body(body.sending()).send();
        // Lets kept connections notice that their server has closed them. They cannot while a program blocks its thread
        // between two calls.
        tokio::task::yield_now().await;
        let head = match send(&self.client).await {
            Err(error) if failure::is_unprocessed(&error) => {
                tracing::debug!(target: "arcllm::http", "the server has not processed a request: it is sent again");
                send(&self.client_for_new_connections()?).await
            }
            sent => sent,
        };
        head.map_err(|error| failure::sending(self.provider(), error))
    }

    fn client_for_new_connections(&self) -> Result<Client, ErrorKind> {
        if self.is_programs {
            return Ok(self.client.clone());
        }
        let client = client::unpooled(&self.provider().base_url, self.provider().connect_timeout);
        client.map_err(|error| ConfigError::new(error.to_string()).provider(&self.provider().name).into())
    }

    /// The error for a request without a key. Modules see it, so it does not say where keys are kept: the log does.
    fn no_key(&self, error: &ConfigError) -> ErrorKind {
        let name = &self.provider().name;
        tracing::warn!(provider = name, "there is no key for a request: {error}");
        let setting = error.key.clone().unwrap_or_else(|| format!("providers.{name}"));
        ConfigError::new(format!("there is no key for this request ({setting}); the log says why"))
            .provider(name)
            .into()
    }

    /// Runs the attempt in a task of its own. Writing and reading a long conversation would hold up the calls that the
    /// caller polls as well.
    fn apart<T: Send + 'static>(
        self: Arc<Self>,
        attempt: impl Future<Output = Result<T, ErrorKind>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, ErrorKind>> {
        async move {
            let attempt = TraceParent::cover(TraceParent::current(), attempt).in_current_span();
            let attempt = AbortOnDropHandle::new(tokio::spawn(attempt));
            attempt.await.unwrap_or_else(|error| {
                Err(ErrorKind::Other(Failure::new(&self.provider().name, format!("the adapter failed: {error}"))))
            })
        }
        .boxed()
    }
}

impl fmt::Debug for HttpAdapter {
    /// Leaves out the address, which may hold secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (provider, model) = (&self.provider().name, &self.asked.model);
        formatter.debug_struct("HttpAdapter").field("provider", provider).field("model", model).finish_non_exhaustive()
    }
}

impl Adapter for HttpAdapter {
    fn validate_config(&self) -> Result<(), ConfigError> {
        self.access.as_ref().map_or(Ok(()), Access::check)
    }

    fn send(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        let adapter = self.clone();
        self.apart(async move { adapter.attempt(&request).await })
    }

    fn stream(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Answer, ErrorKind>> {
        let adapter = self.clone();
        self.apart(async move {
            let within = adapter.provider().first_event_timeout.unwrap_or(adapter.provider().timeout);
            timeout(within, adapter.begin(&request)).await.map_err(|_| failure::no_event(adapter.provider()))?
        })
    }

    fn count_tokens(
        self: Arc<Self>,
        body: Bytes,
        headers: Vec<(String, String)>,
    ) -> BoxFuture<'static, Result<Option<Bytes>, ErrorKind>> {
        let adapter = self.clone();
        self.apart(async move { adapter.count(&body, headers).await })
    }
}

/// Whether the answer comes in events. The start of the body counts for more than the content type.
async fn is_streamed(answer: &HttpAnswer, body: &mut Body) -> bool {
    if !answer.status.is_success() {
        return false;
    }
    let said = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_named = said.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
    let begins = body.peek().await.trim_ascii_start();
    let fields: [&[u8]; 4] = [b"data:", b"event:", b"id:", b":"];
    match begins.first() {
        Some(b'{' | b'[') => false,
        Some(_) => is_named || fields.iter().any(|field| begins.starts_with(field)),
        None => is_named,
    }
}

mod count;
#[cfg(test)]
mod tests;
