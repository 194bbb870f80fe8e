//! A client of registries.

use std::path::Path;

use bytes::Bytes;
use reqwest::{
    Method,
    header::{ACCEPT, HeaderValue},
};
use serde_json::json;

use crate::{
    component::Component,
    digest::Digest,
    error::RegistryError,
    found::{Description, Found},
    http::Http,
    key::{PublicKey, SigningKey},
    limits::Limits,
    manifest::{ACCEPTED, Descriptor, LONGEST, Manifest, WASM, WASM_CONFIG},
    reference::Reference,
    session::{Ask, Proofs, Session},
    signature::{Signature, Signed},
};

/// Is told how many bytes of how many are done.
pub type Progress<'a> = dyn FnMut(u64, u64) + Send + 'a;

/// When each module is said to be created, so that the same file gives the same digest every time.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// A client of registries. It keeps connections and tokens for as long as it lives.
///
/// Logins are those that docker keeps: `config.json` in `$DOCKER_CONFIG` or `~/.docker`, with credential helpers. A registry
/// on this machine (`localhost`, 127.0.0.0/8, `[::1]`) is asked over plain http, any other one over https.
#[derive(Debug)]
pub struct Registry {
    http: Http,
    proofs: Proofs,
}

impl Registry {
    /// Makes a client. Connects to nobody.
    ///
    /// # Errors
    ///
    /// Where TLS or the HTTP client cannot be set up.
    pub fn new(limits: Limits) -> Result<Self, RegistryError> {
        Ok(Self { http: Http::new(limits)?, proofs: Proofs::default() })
    }

    /// Looks at a module: reads its manifest and nothing else.
    ///
    /// # Errors
    ///
    /// Where it is not there, is no module, is larger than the limit, or where its content is not what its digest says.
    pub async fn look(&self, reference: &Reference) -> Result<Found, RegistryError> {
        let session = self.session(reference, false);
        let bytes = session.manifest(&reference.version()).await?;
        let got = Digest::of(&bytes);
        if let Some(expected) = reference.digest().filter(|expected| *expected != got) {
            return Err(RegistryError::Changed { what: reference.to_string(), expected, got });
        }
        let text = String::from_utf8(bytes.into())
            .map_err(|_| RegistryError::no_module(reference, "its manifest is malformed"))?;
        let found = Manifest::module(text, reference)?;
        match found.size > self.http.limits.max_module_bytes {
            true => Err(self.too_large(reference.to_string())),
            false => Ok(found),
        }
    }

    /// Pulls the file of a module. A broken connection is taken up again where it broke. Until the file is whole and has its
    /// digest it lies beside its place, as `FILE.part`; a later pull goes on with that. If another
    /// process pulls the same file, this waits for it. Dropping the future stops the pull.
    ///
    /// # Errors
    ///
    /// Where the content is not what its digest says, where there is more of it than the manifest says, or where the registry
    /// or the disk fails. Nothing is at `file` then, or what was there before.
    pub async fn pull(&self, found: &Found, file: &Path, progress: &mut Progress<'_>) -> Result<(), RegistryError> {
        if found.size > self.http.limits.max_module_bytes {
            return Err(self.too_large(found.reference.to_string()));
        }
        let session = self.session(&found.reference, false);
        let limit = self.http.limits.transfer;
        let pulled = tokio::time::timeout(limit, session.pull(found, file, progress)).await;
        pulled.unwrap_or_else(|_| Err(session.timed_out(limit)))
    }

    /// Publishes the file of a component at a tag. The same file with the same description gives the same digest every time.
    /// The tag appears last, when everything else is there. Returns the digest of the manifest.
    ///
    /// # Errors
    ///
    /// Where the file is no component, the registry refuses it, or the connection breaks.
    pub async fn push(
        &self,
        reference: &Reference,
        file: &Path,
        description: &Description,
        progress: &mut Progress<'_>,
    ) -> Result<Digest, RegistryError> {
        if reference.digest().is_some() {
            let why = "a module is published at a tag, and its digest follows from its content".to_owned();
            return Err(RegistryError::Reference { text: reference.to_string(), why });
        }
        let bytes = self.read(file).await?;
        let component = Component::read(&bytes).map_err(|why| RegistryError::no_module(file.display(), why))?;
        let layer = Descriptor::of(WASM, &bytes);
        let config = Bytes::from(config(&layer, &component));
        let mut manifest = Manifest::new(Descriptor::of(WASM_CONFIG, &config), vec![layer]);
        manifest.annotations = Some(description.annotations()).filter(|annotations| !annotations.is_empty());
        let session = self.session(reference, true);
        let limit = self.http.limits.transfer;
        let pushed = tokio::time::timeout(limit, async {
            session.push_blob(&bytes, progress).await?;
            session.push_blob(&config, &mut |_, _| ()).await?;
            session.push_manifest(&reference.version(), &manifest).await
        });
        pushed.await.unwrap_or_else(|_| Err(session.timed_out(limit)))
    }

    /// Signs a manifest, beside the signatures that it has. A second signature of the same key is not added.
    ///
    /// # Errors
    ///
    /// Where the registry refuses it, or what is at the place of the signatures is not cosign's.
    pub async fn sign(
        &self,
        reference: &Reference,
        digest: &Digest,
        key: &SigningKey,
    ) -> Result<Signed, RegistryError> {
        self.session(reference, true).sign(digest, key).await
    }

    /// The signature of a manifest, to be verified later by [`verify_offline`](crate::verify_offline). `None` if there is none
    /// that can be read.
    ///
    /// # Errors
    ///
    /// Where the registry cannot be asked.
    pub async fn signed(&self, reference: &Reference, digest: &Digest) -> Result<Option<Signed>, RegistryError> {
        self.session(reference, false).signed(digest).await
    }

    /// Looks whether one of these keys has signed a manifest.
    ///
    /// # Errors
    ///
    /// Where the registry cannot be asked. What is wrong with a signature is no error.
    pub async fn signature(
        &self,
        reference: &Reference,
        digest: &Digest,
        keys: &[PublicKey],
    ) -> Result<Signature, RegistryError> {
        self.session(reference, false).signature(digest, keys).await
    }

    fn session<'a>(&'a self, reference: &'a Reference, writes: bool) -> Session<'a> {
        Session { http: &self.http, reference, proofs: &self.proofs, writes }
    }

    async fn read(&self, file: &Path) -> Result<Bytes, RegistryError> {
        let unreadable = |error| RegistryError::file(file, error);
        let metadata = tokio::fs::metadata(file).await.map_err(unreadable)?;
        if metadata.len() > self.http.limits.max_module_bytes {
            return Err(self.too_large(file.display().to_string()));
        }
        Ok(tokio::fs::read(file).await.map_err(unreadable)?.into())
    }

    fn too_large(&self, what: String) -> RegistryError {
        let help =
            "\n  help: build it without debug information, or set host.max_module_mb to a higher number".to_owned();
        RegistryError::TooLarge { what, limit: self.http.limits.max_module_bytes, help }
    }
}

impl Session<'_> {
    /// Reads a manifest, by tag or digest.
    pub(crate) async fn manifest(&self, version: &str) -> Result<Bytes, RegistryError> {
        let mut ask = Ask::new(Method::GET, self.url(&format!("manifests/{version}"))?);
        ask.headers.extend(ACCEPTED.map(|accepted| (ACCEPT, HeaderValue::from_static(accepted))));
        self.in_time(self.whole(ask, &format!("the manifest of {}", self.reference), LONGEST)).await
    }

    /// Reads all of a successful answer.
    pub(crate) async fn whole(&self, ask: Ask<'_>, what: &str, limit: usize) -> Result<Bytes, RegistryError> {
        let response = self.send(ask).await?;
        match response.status().is_success() {
            true => self.body(response, what, limit).await,
            false => Err(self.failed(response).await),
        }
    }
}

/// The config of a module, as `wkg` writes it.
fn config(layer: &Descriptor, component: &Component) -> Vec<u8> {
    let config = json!({
        "created": CREATED,
        "author": null,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [layer.digest],
        "component": component,
    });
    config.to_string().into_bytes()
}
