//! What a signature says, as cosign writes it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    digest::Digest,
    error::RegistryError,
    key::{PublicKey, SigningKey},
    reference::Reference,
};

/// What cosign calls the content of a signature of its kind.
const TYPE: &str = "cosign container image signature";

/// Whether a module is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// One of the keys has signed exactly this manifest.
    Verified {
        /// The key.
        key: PublicKey,
        /// What verifies again without a network, by [`verify_offline`].
        signed: Signed,
    },
    /// There is no signature at its place.
    NotSigned,
    /// There is a signature, and none of the keys has made it for this manifest.
    DoesNotVerify {
        /// Why, in a sentence without a full stop.
        why: String,
    },
}

/// A statement, and a signature of it. Both are base64 as text, so that a file can keep them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The statement, in base64: JSON that names the digest of the manifest.
    pub payload: String,
    /// The signature of the statement's bytes, in base64: ECDSA in the form ASN.1 DER.
    pub signature: String,
}

impl Signed {
    /// States that this is the manifest at this place, and signs that.
    pub(crate) fn new(reference: &Reference, digest: &Digest, key: &SigningKey) -> Result<Self, RegistryError> {
        let place = format!("{}/{}", reference.registry(), reference.repository());
        let critical = json!({
            "identity": { "docker-reference": place },
            "image": { "docker-manifest-digest": digest.to_string() },
            "type": TYPE,
        });
        let payload = json!({ "critical": critical, "optional": null }).to_string();
        let signature = STANDARD.encode(key.sign(payload.as_bytes())?);
        Ok(Self { payload: STANDARD.encode(payload), signature })
    }
}

/// Verifies a signature without a network. Returns the key that has made it for the manifest with this digest.
///
/// # Errors
///
/// Why it does not verify, in a sentence without a full stop.
pub fn verify_offline<'a>(signed: &Signed, digest: &Digest, keys: &'a [PublicKey]) -> Result<&'a PublicKey, String> {
    let payload = STANDARD.decode(&signed.payload).map_err(|_| "its statement is not base64")?;
    let signature = STANDARD.decode(&signed.signature).map_err(|_| "its signature is not base64")?;
    let key = keys.iter().find(|key| key.verifies(&payload, &signature)).ok_or(match keys {
        [] => "it is signed, and no trusted key is there to check that with",
        [_] => "it is signed by another key than the trusted one",
        _ => "it is signed by none of the trusted keys",
    })?;
    // What follows is the statement of somebody who is trusted.
    let statement: Value = serde_json::from_slice(&payload).map_err(|_| "its statement is not JSON")?;
    let said = |path: &str| statement.pointer(path).and_then(Value::as_str);
    if said("/critical/type") != Some(TYPE) {
        return Err("its statement is of another kind than cosign's".to_owned());
    }
    match said("/critical/image/docker-manifest-digest") {
        Some(named) if named == digest.to_string() => Ok(key),
        _ => Err(format!("{} has signed another module", key.name())),
    }
}
