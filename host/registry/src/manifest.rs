//! The manifest of a module, and of its signatures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::{digest::Digest, error::RegistryError, found::Found, reference::Reference};

/// The media types of the image specification and of its predecessors.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The media types of a WebAssembly component, from the guidance of CNCF's TAG Runtime, as `wkg` writes them.
pub(crate) const WASM: &str = "application/wasm";
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// What a registry is asked for. The other kinds are there to be named in an error.
pub(crate) const ACCEPTED: [&str; 4] = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST];

/// The longest manifest, in bytes: what registries accept.
pub(crate) const LONGEST: usize = 4 << 20;

/// The longest manifest of a module, in bytes: a lock keeps it.
pub(crate) const LONGEST_OF_MODULE: usize = 64 << 10;

/// Checks, without a network, that this text is the manifest with this digest, and that it names this module.
///
/// # Errors
///
/// What differs, in a sentence without a full stop.
pub fn check_manifest(manifest: &str, digest: &Digest, wasm: &Digest) -> Result<(), String> {
    let got = Digest::of(manifest.as_bytes());
    if got != *digest {
        return Err(format!("its manifest has the digest {got}, and not {digest}"));
    }
    let named = Manifest::read(manifest.as_bytes())?.layer()?;
    match named == *wasm {
        true => Ok(()),
        false => Err(format!("its manifest names the bytes {named}, and not {wasm}")),
    }
}

/// A manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    schema_version: u64,
    #[serde(default)]
    media_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

/// Content that a manifest names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// Describes content.
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        let digest = Digest::of(bytes).to_string();
        Self { media_type: media_type.to_owned(), digest, size: bytes.len() as u64, annotations: None }
    }
}

/// What tells kinds of manifests apart, whatever else is in them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
}

impl Manifest {
    pub(crate) fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: Some(MANIFEST.to_owned()), config, layers, annotations: None }
    }

    /// Reads an image manifest. The error says what it is instead.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let kind: Kind = serde_json::from_slice(bytes).map_err(|_| "its manifest is malformed")?;
        let media_type = kind.media_type.as_deref().unwrap_or(MANIFEST);
        if kind.manifests.is_some() || [INDEX, DOCKER_LIST].contains(&media_type) {
            return Err("it is an index of several manifests; name one of them by its digest".to_owned());
        }
        if media_type == DOCKER_MANIFEST {
            return Err("it is a container image".to_owned());
        }
        if media_type != MANIFEST {
            return Err(format!("it is a `{}`", crate::error::excerpt(media_type)));
        }
        serde_json::from_slice(bytes).map_err(|_| "its manifest is malformed".to_owned())
    }

    /// What this text, the manifest of a module, says.
    pub(crate) fn module(text: String, reference: &Reference) -> Result<Found, RegistryError> {
        let no_module = |why: String| RegistryError::no_module(reference, why);
        let manifest = Self::read(text.as_bytes()).map_err(no_module)?;
        let wasm_digest = manifest.layer().map_err(no_module)?;
        if text.len() > LONGEST_OF_MODULE {
            let most = LONGEST_OF_MODULE >> 10;
            return Err(no_module(format!("its manifest has {} bytes, and that of a module {most} KiB", text.len())));
        }
        let digest = Digest::of(text.as_bytes());
        Ok(Found {
            reference: reference.with_digest(digest),
            manifest_digest: digest,
            manifest: text,
            wasm_digest,
            size: manifest.layers.first().map_or(0, |layer| layer.size),
            annotations: manifest.annotations.unwrap_or_default(),
        })
    }

    /// The digest of the module that it names.
    fn layer(&self) -> Result<Digest, String> {
        let layer = match self.layers.as_slice() {
            [layer] => layer,
            layers => return Err(format!("it has {} layers, and a module has one", layers.len())),
        };
        if layer.media_type != WASM {
            let media_type = crate::error::excerpt(&layer.media_type);
            return Err(format!("its layer is a `{media_type}`, and a module is a `{WASM}`"));
        }
        layer.digest.parse().map_err(|_| "its layer has no SHA-256 as its digest".to_owned())
    }

    /// The bytes that are pushed. The same manifest gives the same bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Texts and numbers alone are always written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
