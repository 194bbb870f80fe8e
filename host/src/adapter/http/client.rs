//! The HTTP clients, shared by all adapters of a Tokio runtime: connection pools, and one TLS context for the process.
//!
//! Loading the system's certificates takes tens of milliseconds. It happens once, and never for a plain `http` address
//! on this machine. The lock is taken when an adapter is made, not when it is used.

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

/// What the settings of a client hang on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    connect_timeout: Duration,
    loopback: bool,
    /// Plain `http` on this machine needs no certificates; plain `http` elsewhere may, for a proxy.
    tls: bool,
    /// Tokio's: a connection ends with the one that it was opened in.
    runtime: Option<tokio::runtime::Id>,
}

/// The most clients that are known. One that is not is made anew; adapters keep theirs.
const CLIENTS: usize = 64;

#[derive(Default)]
struct Shared {
    clients: HashMap<Kind, Client>,
    tls: Option<ClientConfig>,
}

static SHARED: LazyLock<Mutex<Shared>> = LazyLock::new(Mutex::default);

/// The client for this address.
///
/// # Errors
///
/// A message: the system has no certificates to check servers by, for one. The next call looks again.
pub(crate) fn client(base_url: &Url, connect_timeout: Duration) -> Result<Client, String> {
    let loopback = is_loopback(base_url);
    let runtime = tokio::runtime::Handle::try_current().ok().map(|runtime| runtime.id());
    let kind = Kind { connect_timeout, loopback, tls: base_url.scheme() != "http" || !loopback, runtime };
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = shared.clients.get(&kind) {
        return Ok(client.clone());
    }
    let tls = if kind.tls { shared.tls()? } else { without_certificates()? };
    let client = build(kind, tls)?;
    if shared.clients.len() >= CLIENTS {
        // A program that makes a runtime for each call would have as many.
        shared.clients.clear();
    }
    shared.clients.insert(kind, client.clone());
    Ok(client)
}

/// Whether there is a client with this limit, which a test has for itself.
#[cfg(test)]
pub(crate) fn has_client(connect_timeout: Duration) -> bool {
    let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.clients.keys().any(|kind| kind.connect_timeout == connect_timeout)
}

impl Shared {
    fn tls(&mut self) -> Result<ClientConfig, String> {
        if let Some(tls) = &self.tls {
            return Ok(tls.clone());
        }
        let verified = tls_builder()?.with_platform_verifier();
        let verified =
            verified.map_err(|error| format!("cannot check servers by the system's certificates: {error}"))?;
        let mut tls = verified.with_no_client_auth();
        // reqwest offers these by itself only where it makes the context itself.
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        self.tls = Some(tls.clone());
        Ok(tls)
    }
}

fn without_certificates() -> Result<ClientConfig, String> {
    Ok(tls_builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn tls_builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, String> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot set up TLS: {error}"))
}

fn build(kind: Kind, tls: ClientConfig) -> Result<Client, String> {
    let builder = Client::builder()
        .user_agent(concat!("arcllm/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(kind.connect_timeout)
        .redirect(redirect::Policy::none())
        // One attempt is one request: retrying is for a module to decide.
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .tls_backend_preconfigured(tls);
    let builder = if kind.loopback { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| format!("cannot set up the HTTP client: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_on_this_machine_loads_no_certificates() {
        // A time-out of its own, as other tests of the process share the map.
        let connect_timeout = Duration::from_nanos(1_234_567_891);
        client(&"http://127.0.0.1:1/v1".parse().unwrap(), connect_timeout).unwrap();
        let shared = SHARED.lock().unwrap();
        let kinds: Vec<_> = shared.clients.keys().filter(|kind| kind.connect_timeout == connect_timeout).collect();
        assert!(matches!(kinds.as_slice(), [Kind { loopback: true, tls: false, runtime: None, .. }]));
    }

    #[test]
    fn one_tls_context_offers_http_2_to_all() {
        let mut shared = Shared::default();
        // A machine without certificates gets a message, not a panic.
        let Ok(tls) = shared.tls() else { return };
        assert_eq!(tls.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert!(shared.tls.is_some());
    }
}
