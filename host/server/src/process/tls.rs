//! The certificate of the server.

use std::{fs, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use arcllm::TlsFiles;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsAcceptor;

/// The certificate of the server, which can change while it runs.
#[derive(Debug)]
pub(crate) struct Certificate(ArcSwap<ServerConfig>);

impl Certificate {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// What is wrong with which file.
    pub(crate) fn read(files: &TlsFiles) -> Result<Self, String> {
        Ok(Self(ArcSwap::from(config(files)?)))
    }

    /// Reads it anew, for new connections.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). Then nothing changes.
    pub(crate) fn read_again(&self, files: &TlsFiles) -> Result<(), String> {
        self.0.store(config(files)?);
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

fn config(files: &TlsFiles) -> Result<Arc<ServerConfig>, String> {
    let certificates = read(&files.certificate)?;
    let certificates = CertificateDer::pem_slice_iter(&certificates).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| wrong(&files.certificate, "certificate", &error))?;
    if certificates.is_empty() {
        return Err(wrong(&files.certificate, "certificate", &"it holds none"));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?);
    let key = key.map_err(|error| wrong(&files.key, "private key", &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = config.with_no_client_auth().with_single_cert(certificates, key);
    let mut config = config.map_err(|error| {
        let (certificate, key) = (files.certificate.display(), files.key.display());
        format!("the certificate in {certificate} and the key in {key} do not fit: {error}")
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

fn wrong(file: &Path, what: &str, error: &dyn std::fmt::Display) -> String {
    format!("{} has no {what} in PEM format: {error}", file.display())
}
