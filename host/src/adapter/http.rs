//! The adapter of all providers that are reached over HTTP.

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt as _};
use reqwest::{
    Client, StatusCode, Version,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING},
};
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::{
    Adapter, ApiKey,
    answer::{Answer, Reader},
    client, failure,
    format::{Format, format},
};
use crate::{
    config::ProviderConfig,
    error::{ErrorKind, Failure},
    request::Request,
    response::Response,
};

/// Asks one model of one provider.
#[derive(Debug)]
pub(crate) struct HttpAdapter {
    client: Client,
    endpoint: Url,
    headers: HeaderMap,
    provider: ProviderConfig,
    model: String,
    key: Option<ApiKey>,
}

impl HttpAdapter {
    /// An adapter for this model. It shares connections with all others of the process.
    ///
    /// # Errors
    ///
    /// `Config`, if no client can be made: without the system's certificates, for one.
    pub(crate) fn new(provider: &ProviderConfig, model: String, key: Option<ApiKey>) -> Result<Self, ErrorKind> {
        let wrong = |message: String| ErrorKind::Config(Failure::new(&provider.name, message));
        let format = format(provider.adapter);
        let mut headers = format.headers(key.as_ref()).map_err(wrong)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Self {
            client: client::client(&provider.base_url, provider.connect_timeout).map_err(wrong)?,
            endpoint: format.endpoint(&provider.base_url),
            headers,
            provider: provider.clone(),
            model,
            key,
        })
    }

    fn format(&self) -> &'static dyn Format {
        format(self.provider.adapter)
    }

    async fn attempt(&self, request: &Request) -> Result<Response, ErrorKind> {
        let body =
            self.body(request).map_err(|message| ErrorKind::Config(Failure::new(&self.provider.name, message)))?;
        let started = Instant::now();
        let sending = self.client.post(self.endpoint.clone()).headers(self.headers.clone()).body(body).send();
        let head = timeout(self.provider.timeout, sending).await;
        let head = head.map_err(|_| failure::no_answer(&self.provider))?;
        let head = head.map_err(|error| failure::sending(&self.provider, error))?;
        let remaining = self.provider.timeout.saturating_sub(started.elapsed());
        let answer = self.receive(head, remaining).await?;
        let reader =
            Reader { format: self.format(), provider: &self.provider.name, model: &self.model, key: self.key.as_ref() };
        reader.read(&answer)
    }

    fn body(&self, request: &Request) -> Result<Vec<u8>, String> {
        let body = self.format().encode(request, &self.provider, &self.model)?;
        serde_json::to_vec(&body).map_err(|error| error.to_string())
    }

    async fn receive(&self, mut head: reqwest::Response, within: Duration) -> Result<Answer, ErrorKind> {
        let (status, framed) = (head.status(), is_framed(&head));
        let headers = std::mem::take(head.headers_mut());
        let body = timeout(within, self.read_body(head)).await.map_err(|_| failure::unfinished(&self.provider))?;
        let (body, flaw) = body?;
        Ok(Answer { status, headers, body, flaw, framed })
    }

    /// The body, and why it is not all there, if it is not although the connection held.
    async fn read_body(&self, mut head: reqwest::Response) -> Result<(Vec<u8>, Option<String>), ErrorKind> {
        let mut body = Vec::new();
        loop {
            match head.chunk().await {
                Ok(Some(chunk)) => {
                    let room = self.provider.max_response_bytes.saturating_sub(body.len());
                    body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                    if chunk.len() > room {
                        return Ok((body, Some(self.too_long())));
                    }
                }
                Ok(None) => return Ok((body, None)),
                Err(error) => match failure::corrupt(&error) {
                    Some(flaw) => return Ok((body, Some(flaw))),
                    None => return Err(failure::reading(&self.provider, error)),
                },
            }
        }
    }

    fn too_long(&self) -> String {
        let mebibytes = self.provider.max_response_bytes as f64 / (1024.0 * 1024.0);
        format!("the body is longer than {mebibytes} MiB (providers.{}.max_response_mb)", self.provider.name)
    }
}

impl Adapter for HttpAdapter {
    fn send(self: Arc<Self>, request: Arc<Request>) -> BoxFuture<'static, Result<Response, ErrorKind>> {
        async move {
            let adapter = self.clone();
            // Writing and reading a long conversation would hold up whoever polls this.
            let attempt = AbortOnDropHandle::new(tokio::spawn(async move { adapter.attempt(&request).await }));
            attempt.await.unwrap_or_else(|error| {
                Err(ErrorKind::Other(Failure::new(&self.provider.name, format!("the adapter failed: {error}"))))
            })
        }
        .boxed()
    }
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
