//! A registry on loopback that answers as a test says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use arcllm_registry::{Digest, Reference};
use axum::{Router, body::Body, extract::Request, response::Response};
use serde_json::{Value, json};

/// The media type of a manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A request that the registry has got.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

type Answer = dyn Fn(&Asked) -> Response + Send + Sync;

/// A registry that is a stranger. It ends when it is dropped.
pub(crate) struct Stranger {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stranger {
    /// Starts a registry that gives these answers.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Self {
        Self::start_with(|_| answer).await
    }

    /// As [`start`](Self::start), for answers that hold the registry's own address.
    pub(crate) async fn start_with<A: Fn(&Asked) -> Response + Send + Sync + 'static>(
        answer: impl FnOnce(&str) -> A,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answer: Arc<Answer> = Arc::new(answer(&address));
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let log = asked.clone();
        let app = Router::new().fallback(move |request: Request| {
            let name = |name: &axum::http::HeaderName| name.as_str().to_owned();
            let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let asked = Asked {
                method: request.method().to_string(),
                path: request.uri().path().to_owned(),
                query: request.uri().query().unwrap_or_default().to_owned(),
                headers: request.headers().iter().map(|(key, value)| (name(key), text(value))).collect(),
            };
            log.lock().unwrap().push(asked.clone());
            let answer = answer.clone();
            async move {
                // Reads the body: a client that is cut off while it sends may see that, and no answer.
                let _ = axum::body::to_bytes(request.into_body(), 1 << 30).await;
                answer(&asked)
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, asked, task }
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The name of its module.
    pub(crate) fn reference(&self) -> Reference {
        format!("oci://{}/me/mine:1.0", self.address).parse().unwrap()
    }

    /// What it was asked for so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer with this status and body.
pub(crate) fn answer(status: u16, body: impl Into<Body>) -> Response {
    Response::builder().status(status).body(body.into()).unwrap()
}

/// An answer with headers.
pub(crate) fn with(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let headers =
        headers.iter().fold(Response::builder().status(status), |answer, (name, value)| answer.header(*name, *value));
    headers.body(body.into()).unwrap()
}

/// Content as a manifest names it.
pub(crate) fn layer(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len() })
}

/// A manifest with these layers.
pub(crate) fn manifest(layers: &[Value]) -> Value {
    let config = layer("application/vnd.wasm.config.v0+json", b"{}");
    json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers })
}

/// The manifest of a module with these bytes.
pub(crate) fn module(bytes: &[u8]) -> Value {
    manifest(&[layer("application/wasm", bytes)])
}
