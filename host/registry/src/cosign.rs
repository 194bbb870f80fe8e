//! Signatures in a registry, where cosign looks for them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::Method;
use serde_json::json;

use crate::{
    digest::Digest,
    error::RegistryError,
    key::{PublicKey, SigningKey},
    manifest::{Descriptor, Manifest},
    session::{Ask, Session},
    signature::{Signature, Signed, verify_offline},
};

/// The media type of a statement, and the annotation with its signature.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The media type of the config that cosign writes.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The most signatures of a module that are looked at.
const MOST: usize = 64;

/// The longest statement, in bytes. Ours have some 300.
const LONGEST: usize = 64 << 10;

const NOT_OF_COSIGN: &str = "what is at the place of its signatures is none of cosign's";

/// What is at the place of a manifest's signatures.
enum There {
    Nothing,
    Signatures(Manifest),
    /// Something else. Says what.
    Other(String),
}

impl Session<'_> {
    /// Looks whether one of the keys has signed a manifest.
    pub(crate) async fn signature(&self, digest: &Digest, keys: &[PublicKey]) -> Result<Signature, RegistryError> {
        match self.signatures(digest).await? {
            There::Nothing => Ok(Signature::NotSigned),
            There::Other(why) => Ok(Signature::DoesNotVerify { why }),
            There::Signatures(manifest) => self.verify(&manifest, digest, keys).await,
        }
    }

    /// The first signature of a manifest that can be read. Its key may be any.
    pub(crate) async fn signed(&self, digest: &Digest) -> Result<Option<Signed>, RegistryError> {
        let There::Signatures(manifest) = self.signatures(digest).await? else { return Ok(None) };
        for layer in manifest.layers.iter().take(MOST) {
            if let Ok(signed) = self.read_layer(layer).await? {
                return Ok(Some(signed));
            }
        }
        Ok(None)
    }

    /// Signs a manifest, beside the signatures that it has.
    pub(crate) async fn sign(&self, digest: &Digest, key: &SigningKey) -> Result<Signed, RegistryError> {
        let mut layers = match self.signatures(digest).await? {
            There::Nothing => Vec::new(),
            There::Other(why) => return Err(RegistryError::no_module(place(digest), why)),
            There::Signatures(manifest) => {
                if manifest.layers.iter().any(|layer| layer.media_type != PAYLOAD) {
                    return Err(RegistryError::no_module(place(digest), NOT_OF_COSIGN.to_owned()));
                }
                let own = std::slice::from_ref(key.public());
                if let Signature::Verified { signed, .. } = self.verify(&manifest, digest, own).await? {
                    return Ok(signed);
                }
                manifest.layers
            }
        };
        if layers.len() >= MOST {
            return Err(
                self.broken(format!("{digest} has {} signatures; more than {MOST} are not looked at", layers.len()))
            );
        }
        let signed = Signed::new(self.reference, digest, key)?;
        let payload = Bytes::from(STANDARD.decode(&signed.payload).unwrap_or_default());
        let annotations = [(SIGNATURE.to_owned(), signed.signature.clone())].into();
        layers.push(Descriptor { annotations: Some(annotations), ..Descriptor::of(PAYLOAD, &payload) });
        let ids: Vec<_> = layers.iter().map(|layer| &layer.digest).collect();
        let config = json!({"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}});
        let config = Bytes::from(config.to_string());
        self.push_blob(&payload, &mut |_, _| ()).await?;
        self.push_blob(&config, &mut |_, _| ()).await?;
        self.push_manifest(&place(digest), &Manifest::new(Descriptor::of(CONFIG, &config), layers)).await?;
        Ok(signed)
    }

    async fn signatures(&self, digest: &Digest) -> Result<There, RegistryError> {
        let bytes = match self.manifest(&place(digest)).await {
            Ok(bytes) => bytes,
            Err(RegistryError::NotFound { .. }) => return Ok(There::Nothing),
            Err(RegistryError::TooLarge { .. }) => {
                return Ok(There::Other("its list of signatures is too long".to_owned()));
            }
            Err(error) => return Err(error),
        };
        Ok(match Manifest::read(&bytes) {
            Ok(manifest) => There::Signatures(manifest),
            Err(why) => There::Other(format!("what is at the place of its signatures cannot be read: {why}")),
        })
    }

    async fn verify(
        &self,
        manifest: &Manifest,
        digest: &Digest,
        keys: &[PublicKey],
    ) -> Result<Signature, RegistryError> {
        let mut why = "there is no signature among its signatures".to_owned();
        for layer in manifest.layers.iter().take(MOST) {
            match self.verify_layer(layer, digest, keys).await? {
                Ok((key, signed)) => return Ok(Signature::Verified { key: key.clone(), signed }),
                Err(reason) => why = reason,
            }
        }
        if manifest.layers.len() > MOST {
            why = format!("none of the first {MOST} of its {} signatures verifies", manifest.layers.len());
        }
        Ok(Signature::DoesNotVerify { why })
    }

    /// Verifies one signature. A broken one is no error, since it must not hide a good one.
    async fn verify_layer<'k>(
        &self,
        layer: &Descriptor,
        digest: &Digest,
        keys: &'k [PublicKey],
    ) -> Result<Result<(&'k PublicKey, Signed), String>, RegistryError> {
        let signed = self.read_layer(layer).await?;
        Ok(signed.and_then(|signed| verify_offline(&signed, digest, keys).map(|key| (key, signed))))
    }

    /// Reads one signature. The inner error says why it is none.
    async fn read_layer(&self, layer: &Descriptor) -> Result<Result<Signed, String>, RegistryError> {
        if layer.media_type != PAYLOAD {
            return Ok(Err(NOT_OF_COSIGN.to_owned()));
        }
        let signature = layer.annotations.as_ref().and_then(|annotations| annotations.get(SIGNATURE));
        let (Some(signature), Ok(named)) = (signature, layer.digest.parse::<Digest>()) else {
            return Ok(Err("its signature is malformed".to_owned()));
        };
        let ask = Ask::new(Method::GET, self.url(&format!("blobs/{named}"))?);
        let payload = match self.in_time(self.whole(ask, "a signature", LONGEST)).await {
            Ok(payload) if Digest::of(&payload) == named => payload,
            Ok(_) | Err(RegistryError::NotFound { .. } | RegistryError::TooLarge { .. }) => {
                return Ok(Err("the statement of its signature was changed or is gone".to_owned()));
            }
            Err(error) => return Err(error),
        };
        Ok(Ok(Signed { payload: STANDARD.encode(&payload), signature: signature.clone() }))
    }
}

/// The tag of a manifest's signatures.
fn place(digest: &Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}
