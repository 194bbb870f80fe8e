//! The HTTP clients. All adapters of a Tokio runtime share them, and with them their connections.
//!
//! Loading the system's certificates takes tens of milliseconds. It happens once a process, and never for a plain `http`
//! address on this machine.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, redirect};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt as _;
use url::Url;

use crate::config::provider::is_loopback;

/// What makes one client different from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ClientKind {
    connect_timeout: Duration,
    loopback: bool,
    /// False only for plain `http` on this machine. Plain `http` elsewhere may go through a proxy with TLS.
    tls: bool,
    /// False makes a new connection for every request.
    pooled: bool,
    /// A connection ends with the Tokio runtime that opened it.
    runtime: Option<tokio::runtime::Id>,
}

/// The most clients that are kept for other adapters.
const MOST: usize = 64;

#[derive(Default)]
struct Clients {
    by_kind: HashMap<ClientKind, Client>,
    tls: Option<ClientConfig>,
}

static CLIENTS: LazyLock<Mutex<Clients>> = LazyLock::new(Mutex::default);

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The certificates of the system cannot be loaded.
    #[error("cannot load the certificates of this system, which are needed to check servers: {0}")]
    Certificates(rustls::Error),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(rustls::Error),
    /// The client cannot be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(reqwest::Error),
}

/// The client for this address. A failure is not kept: the next call tries again.
pub(crate) fn client(base_url: &Url, connect_timeout: Duration) -> Result<Client, ClientError> {
    of_kind(base_url, connect_timeout, true)
}

/// A client for this address that makes a new connection for every request.
pub(crate) fn unpooled(base_url: &Url, connect_timeout: Duration) -> Result<Client, ClientError> {
    of_kind(base_url, connect_timeout, false)
}

fn of_kind(base_url: &Url, connect_timeout: Duration, pooled: bool) -> Result<Client, ClientError> {
    let loopback = is_loopback(base_url);
    let runtime = tokio::runtime::Handle::try_current().ok().map(|runtime| runtime.id());
    let tls = base_url.scheme() != "http" || !loopback;
    let kind = ClientKind { connect_timeout, loopback, tls, pooled, runtime };
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = clients.by_kind.get(&kind) {
        return Ok(client.clone());
    }
    let tls = if kind.tls { clients.tls()? } else { without_certificates()? };
    let client = build(kind, tls)?;
    if clients.by_kind.len() >= MOST {
        // A program may make a runtime for each call. Adapters keep their own clients.
        clients.by_kind.clear();
    }
    clients.by_kind.insert(kind, client.clone());
    Ok(client)
}

/// Whether there is a client with this limit. The limit tells the clients of a test from those of other tests.
#[cfg(test)]
pub(crate) fn has_client(connect_timeout: Duration) -> bool {
    let clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    clients.by_kind.keys().any(|kind| kind.connect_timeout == connect_timeout)
}

impl Clients {
    fn tls(&mut self) -> Result<ClientConfig, ClientError> {
        if let Some(tls) = &self.tls {
            return Ok(tls.clone());
        }
        let verified = tls_builder()?.with_platform_verifier().map_err(ClientError::Certificates)?;
        let mut tls = verified.with_no_client_auth();
        // reqwest adds these only to a context that it has made.
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        self.tls = Some(tls.clone());
        Ok(tls)
    }
}

fn without_certificates() -> Result<ClientConfig, ClientError> {
    Ok(tls_builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn tls_builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, ClientError> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)
}

fn build(kind: ClientKind, tls: ClientConfig) -> Result<Client, ClientError> {
    let builder = Client::builder()
        .user_agent(concat!("arcllm/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(kind.connect_timeout)
        .redirect(redirect::Policy::none())
        // Modules decide about retries. The adapter sends again what no server has processed.
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .tls_backend_preconfigured(tls);
    let builder = if kind.loopback { builder.no_proxy() } else { builder };
    let builder = if kind.pooled { builder } else { builder.pool_max_idle_per_host(0) };
    builder.build().map_err(ClientError::Client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_on_this_machine_loads_no_certificates() {
        // No other test uses this limit.
        let connect_timeout = Duration::from_nanos(1_234_567_891);
        client(&"http://127.0.0.1:1/v1".parse().unwrap(), connect_timeout).unwrap();
        let clients = CLIENTS.lock().unwrap();
        let kinds: Vec<_> = clients.by_kind.keys().filter(|kind| kind.connect_timeout == connect_timeout).collect();
        assert!(matches!(kinds.as_slice(), [ClientKind { loopback: true, tls: false, runtime: None, .. }]));
    }

    #[test]
    fn one_tls_context_offers_http_2_to_all() {
        let mut clients = Clients::default();
        let tls = clients.tls().expect("this test needs the certificates of the system: install ca-certificates");
        assert_eq!(tls.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert!(clients.tls.is_some());
    }
}
