//! The adapter of all providers that are reached over HTTP.

use std::{fmt, sync::Arc};

use futures::future::{BoxFuture, FutureExt as _};
use reqwest::{
    Client, StatusCode, Version,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING},
};
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;
use url::Url;

use crate::{
    adapter::{
        adapter::Adapter,
        answer::Answer,
        format::{format::Format, table::format},
        http::{
            access::Access,
            body::Body,
            client,
            events::Events,
            failure,
            reader::{HttpAnswer, Reader},
        },
    },
    chat::{
        error::{ErrorKind, Failure},
        request::Request,
        response::Response,
    },
    config::{error::ConfigError, provider::ProviderConfig},
    telemetry::trace::TraceParent,
};

/// Asks one model of one provider.
pub(crate) struct HttpAdapter {
    client: Client,
    endpoint: Url,
    headers: HeaderMap,
    pub(crate) provider: ProviderConfig,
    model: String,
    /// Absent for a provider that asks for nothing.
    access: Option<Access>,
}

impl HttpAdapter {
    /// An adapter for this model. It shares connections with all others of the process.
    ///
    /// # Errors
    ///
    /// `Config`, if no client can be made: without the system's certificates, for one.
    pub(crate) fn new(provider: &ProviderConfig, model: String, access: Option<Access>) -> Result<Self, ErrorKind> {
        let wrong = |message: String| ErrorKind::from(ConfigError::new(message).provider(&provider.name));
        let format = format(provider.adapter);
        let mut headers = format.headers(None).map_err(wrong)?;
        let mut endpoint = format.endpoint(&provider.base_url);
        if let Some(access) = &access {
            access.add_headers(&mut headers);
            access.add_query(&mut endpoint);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Self {
            client: client::client(&provider.base_url, provider.connect_timeout).map_err(wrong)?,
            endpoint,
            headers,
            provider: provider.clone(),
            model,
            access,
        })
    }

    /// Makes the client that this provider will be asked by, unless there is one, since that may load certificates. Whoever
    /// needs it is told what is wrong with it.
    pub(crate) fn make_client_ready(provider: &ProviderConfig) {
        drop(client::client(&provider.base_url, provider.connect_timeout));
    }

    pub(crate) fn format(&self) -> &'static dyn Format {
        format(self.provider.adapter)
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader {
            format: self.format(),
            provider: &self.provider.name,
            model: &self.model,
            key: self.access.as_ref().map(Access::secrets),
            max_response_bytes: self.provider.max_response_bytes,
        }
    }

    /// Makes an attempt whose answer is wanted whole.
    async fn attempt(self: &Arc<Self>, request: &Request) -> Result<Response, ErrorKind> {
        let started = Instant::now();
        let head = timeout(self.provider.timeout, self.ask(request, false)).await;
        let mut head = head.map_err(|_| failure::no_answer(&self.provider))??;
        let remaining = self.provider.timeout.saturating_sub(started.elapsed());
        let read = async {
            let mut answer = head_of(&mut head);
            let mut body = Body::new(head, self.clone());
            if self.is_streamed(&answer, &mut body).await {
                // Nobody asked for events, and yet the server sends them.
                return Events::new(self.clone(), answer, body).whole().await;
            }
            body.read_into(&mut answer).await?;
            self.reader().read(&answer)
        };
        timeout(remaining, read).await.map_err(|_| failure::unfinished(&self.provider))?
    }

    /// Makes an attempt whose answer is wanted in events. Resolves with the first of them.
    async fn begin(self: &Arc<Self>, request: &Request) -> Result<Answer, ErrorKind> {
        let mut head = self.ask(request, true).await?;
        let mut answer = head_of(&mut head);
        let mut body = Body::new(head, self.clone());
        if self.is_streamed(&answer, &mut body).await {
            return Events::new(self.clone(), answer, body).committed().await;
        }
        // Nobody asked for all of it at once, and yet that is what the server sends.
        body.read_into(&mut answer).await?;
        self.reader().read(&answer).map(Answer::from)
    }

    /// Whether events are coming. What the body begins with counts for more than what the head says of it.
    async fn is_streamed(&self, answer: &HttpAnswer, body: &mut Body) -> bool {
        if !answer.status.is_success() {
            return false;
        }
        let said = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let said = said.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
        let begins = body.peek().await.trim_ascii_start();
        let fields: [&[u8]; 4] = [b"data:", b"event:", b"id:", b":"];
        match begins.first() {
            Some(b'{' | b'[') => false,
            Some(_) => said || fields.iter().any(|field| begins.starts_with(field)),
            None => said,
        }
    }

    /// Sends the request, and waits for the head of the answer.
    async fn ask(&self, request: &Request, stream: bool) -> Result<reqwest::Response, ErrorKind> {
        let wrong = |message: String| ErrorKind::from(ConfigError::new(message).provider(&self.provider.name));
        let body = self.format().encode(request, &self.provider, &self.model, stream).map_err(wrong)?;
        let mut headers = self.headers.clone();
        if stream {
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        }
        let key = match &self.access {
            Some(access) => {
                Some((access, access.add_key(&mut headers, self.format()).await.map_err(|error| self.no_key(&error))?))
            }
            None => None,
        };
        if let Some(attempt) = TraceParent::current() {
            let attempt = HeaderValue::try_from(attempt.to_string()).map_err(|error| wrong(error.to_string()))?;
            headers.insert("traceparent", attempt);
        }
        tracing::debug!(target: "arcllm::http", bytes = body.len(), "sends a request");
        let sending = self.client.post(self.endpoint.clone()).headers(headers).body(body).send();
        let head = sending.await.map_err(|error| failure::sending(&self.provider, error))?;
        if let Some((access, key)) = key.filter(|_| head.status() == StatusCode::UNAUTHORIZED) {
            access.refused(&key);
        }
        Ok(head)
    }

    /// There is no key to send. Modules see this error, and nothing of where keys are kept.
    fn no_key(&self, error: &ConfigError) -> ErrorKind {
        let name = &self.provider.name;
        tracing::warn!(provider = name, "there is no key for a request: {error}");
        let setting = error.key.clone().unwrap_or_else(|| format!("providers.{name}"));
        ConfigError::new(format!("there is no key for this request ({setting}); the log says why"))
            .provider(name)
            .into()
    }

    /// In a task of its own: writing and reading a long conversation would hold up whoever polls this.
    fn apart<T: Send + 'static>(
        self: Arc<Self>,
        attempt: impl Future<Output = Result<T, ErrorKind>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, ErrorKind>> {
        async move {
            let attempt = TraceParent::cover(TraceParent::current(), attempt).in_current_span();
            let attempt = AbortOnDropHandle::new(tokio::spawn(attempt));
            attempt.await.unwrap_or_else(|error| {
                Err(ErrorKind::Other(Failure::new(&self.provider.name, format!("the adapter failed: {error}"))))
            })
        }
        .boxed()
    }
}

impl fmt::Debug for HttpAdapter {
    /// Without the address, which may hold secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (provider, model) = (&self.provider.name, &self.model);
        formatter.debug_struct("HttpAdapter").field("provider", provider).field("model", model).finish_non_exhaustive()
    }
}

impl Adapter for HttpAdapter {
    fn send(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        let adapter = self.clone();
        self.apart(async move { adapter.attempt(&request).await })
    }

    fn stream(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Answer, ErrorKind>> {
        let adapter = self.clone();
        self.apart(async move {
            let within = adapter.provider.first_event_timeout.unwrap_or(adapter.provider.timeout);
            timeout(within, adapter.begin(&request)).await.map_err(|_| failure::no_event(&adapter.provider))?
        })
    }
}

/// What an answer says before its body.
fn head_of(head: &mut reqwest::Response) -> HttpAnswer {
    let (status, framed) = (head.status(), is_framed(head));
    HttpAnswer { status, headers: std::mem::take(head.headers_mut()), body: Vec::new(), flaw: None, framed }
}

/// Whether the answer says where its body ends. Before HTTP/2 it need not, and a broken connection looks like the end.
/// An answer of no content has none, and no header to say so.
fn is_framed(head: &reqwest::Response) -> bool {
    let (headers, is_empty) = (head.headers(), head.status() == StatusCode::NO_CONTENT);
    let is_told = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    head.version() >= Version::HTTP_2 || is_told || is_empty
}

#[cfg(test)]
mod tests;
