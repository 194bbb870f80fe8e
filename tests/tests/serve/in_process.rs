//! A gateway in the process of the test, as a program has it that serves the routes itself.

use std::sync::Arc;

use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{scene::soon, support::Chain};

/// A gateway. It ends with the test.
pub(crate) struct InProcess {
    url: String,
    client: reqwest::Client,
}

/// What a client gets.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl InProcess {
    /// A gateway with this configuration.
    pub(crate) fn over(chain: &Chain) -> Self {
        let folder = chain.clone().host("watch = false").folder().unwrap();
        let router = arcllm_server::router(Arc::new(arcllm_server::Gateway::new(folder.host().unwrap())));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let listener = TcpListener::from_std(listener).unwrap();
        tokio::spawn(async move {
            let _folder = folder;
            axum::serve(listener, router).await
        });
        // The client asks for a provider of TLS, also where it needs none.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { url, client: reqwest::Client::new() }
    }

    /// Posts a body to this path.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Received {
        let mut request = self.client.post(format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = soon(request.send()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut text = Vec::new();
        // A broken answer may end with its connection.
        while let Ok(Some(chunk)) = soon(response.chunk()).await {
            text.extend_from_slice(&chunk);
        }
        Received { status, headers, text: String::from_utf8(text).unwrap() }
    }
}

impl Received {
    /// The JSON of an answer that is not streamed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}
