//! HTTP clients, where they may connect, and answers of limited size.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use url::{Host, Url};

use crate::{error::RegistryError, limits::Limits};

/// The clients of a [`Registry`](crate::Registry): one for this machine, and one for all others, made when it is needed,
/// because reading the certificates of the system takes tens of milliseconds.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) limits: Limits,
    loopback: Client,
    secure: OnceLock<Client>,
}

impl Http {
    pub(crate) fn new(limits: Limits) -> Result<Self, RegistryError> {
        Ok(Self { limits, loopback: client(&limits, false)?, secure: OnceLock::new() })
    }

    /// The client for an address that is [allowed](is_allowed).
    pub(crate) fn client(&self, url: &Url) -> Result<&Client, RegistryError> {
        if url.scheme() == "http" {
            return Ok(&self.loopback);
        }
        if let Some(client) = self.secure.get() {
            return Ok(client);
        }
        let client = client(&self.limits, true)?;
        Ok(self.secure.get_or_init(|| client))
    }
}

fn client(limits: &Limits, secure: bool) -> Result<Client, RegistryError> {
    let setup = |why: String| RegistryError::Setup { why };
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(error.to_string()))?;
    let mut tls = if secure {
        let verified = builder.with_platform_verifier().map_err(|error| setup(error.to_string()))?;
        verified.with_no_client_auth()
    } else {
        builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    };
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let builder = Client::builder()
        .user_agent(concat!("arcllm/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        // A `Session` follows them, because it knows who may see the login.
        .redirect(redirect::Policy::none())
        // What comes is hashed as it is.
        .no_gzip()
        .https_only(secure)
        .tls_backend_preconfigured(tls);
    let builder = if secure { builder } else { builder.no_proxy() };
    builder.build().map_err(|error| setup(error.to_string()))
}

/// Whether a registry may send us to this address: over https anywhere, and over plain http only from this machine to itself.
pub(crate) fn is_allowed(url: &Url, registry_is_loopback: bool) -> bool {
    let has_login = !url.username().is_empty() || url.password().is_some();
    match url.scheme() {
        "https" => !has_login,
        "http" => !has_login && registry_is_loopback && is_loopback(url),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Reads all of an answer. `None` stands for an answer that is longer than the limit; what follows is not read.
pub(crate) async fn read(mut response: Response, limit: usize) -> Result<Option<Bytes>, reqwest::Error> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > limit {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes.freeze()))
}

/// Says what happened to a connection, without the address, which may hold a token.
pub(crate) fn explain(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let what = match () {
        () if error.is_connect() => "cannot connect",
        () if error.is_timeout() => "no answer in time",
        () => "the connection broke",
    };
    // The outermost error alone would name the address.
    match error.is_timeout() || std::ptr::addr_eq(deepest, error) {
        true => what.to_owned(),
        false => format!("{what}: {}", crate::error::excerpt(&deepest.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        let cases = [
            ("https://cdn.example/x", true, true),
            ("https://user:secret@cdn.example/x", false, false),
            ("http://cdn.example/x", false, false),
            ("http://127.0.0.1:5000/x", false, true),
            ("http://[::1]/x", false, true),
            ("http://localhost/x", false, true),
            ("http://127.0.0.1.example/x", false, false),
            ("ftp://127.0.0.1/x", false, false),
            ("file:///etc/passwd", false, false),
        ];
        for (url, from_elsewhere, from_here) in cases {
            let url = url.parse().unwrap();
            assert_eq!(is_allowed(&url, false), from_elsewhere, "{url}");
            assert_eq!(is_allowed(&url, true), from_here, "{url}");
        }
    }
}
