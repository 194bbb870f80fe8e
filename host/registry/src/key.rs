//! Keys that sign and verify: ECDSA on the curve P-256, as cosign's.

use std::fmt;

use ring::{
    agreement::{self, ECDH_P256, EphemeralPrivateKey, agree_ephemeral},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
    },
};
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer, pem::PemObject as _};

use crate::{digest::Digest, error::RegistryError};

/// How the DER form of each public key of this curve begins (RFC 5480). The point follows, uncompressed.
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The length of an uncompressed point, and its first byte.
const POINT: usize = 65;
const UNCOMPRESSED: u8 = 4;

/// A key that verifies signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    point: [u8; POINT],
}

impl PublicKey {
    /// Reads a public key of PEM text, such as cosign's `cosign.pub`. Its `name` is what reports and errors call it, such as
    /// the name of its file.
    ///
    /// # Errors
    ///
    /// Where the text has no public key of ECDSA on P-256.
    pub fn from_pem(name: impl Into<String>, pem: &str) -> Result<Self, RegistryError> {
        let name = name.into();
        if pem.matches("-----BEGIN ").count() > 1 {
            return Err(RegistryError::Key { name, why: SEVERAL.to_owned() });
        }
        match SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok().and_then(|der| point(&der)) {
            Some(point) => Ok(Self { name, point }),
            None => Err(RegistryError::Key { name, why: explain_public(pem).to_owned() }),
        }
    }

    /// The name that it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of its DER form, as `openssl pkey -pubin -outform der | sha256sum` prints it.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.der())
    }

    /// The key as PEM text, as cosign and openssl read it.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &self.der())
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.point).verify(message, signature).is_ok()
    }

    fn der(&self) -> Vec<u8> {
        [SPKI.as_slice(), &self.point].concat()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.name, self.fingerprint())
    }
}

/// The point in the DER form of a public key.
fn point(der: &[u8]) -> Option<[u8; POINT]> {
    let point: [u8; POINT] = der.strip_prefix(&SPKI)?.try_into().ok()?;
    (point.first() == Some(&UNCOMPRESSED) && is_on_curve(&point)).then_some(point)
}

/// Whether a point is on the curve. One that is not would verify nothing, and look like the key of somebody else.
fn is_on_curve(point: &[u8; POINT]) -> bool {
    let mine = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new());
    mine.is_ok_and(|mine| agree_ephemeral(mine, &agreement::UnparsedPublicKey::new(&ECDH_P256, point), |_| ()).is_ok())
}

const SEVERAL: &str =
    "it has more than one part, of which one alone would count\n  help: put each public key into a file of its own";

fn explain_public(pem: &str) -> &'static str {
    if pem.contains("PRIVATE KEY-----") {
        return "this is a private key\n  help: give the public one; `openssl pkey -in KEY -pubout` prints it";
    }
    if pem.contains("-----BEGIN PUBLIC KEY-----") {
        return "this is no key of ECDSA on P-256\n  help: `arcllm module key` and `cosign generate-key-pair` make such keys";
    }
    "this is no public key\n  help: give a PEM file that begins with `-----BEGIN PUBLIC KEY-----`, such as cosign.pub"
}

/// A key that signs. Its `Debug` form does not show it.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    public: PublicKey,
}

impl SigningKey {
    /// Reads a private key of PEM text, as `arcllm module key` and openssl write it: PKCS #8, or SEC 1 (`EC PRIVATE KEY`). `name` is
    /// what errors call it.
    ///
    /// # Errors
    ///
    /// Where the text has no such key of ECDSA on P-256.
    pub fn from_pem(name: &str, pem: &str) -> Result<Self, RegistryError> {
        let wrong = |why: &str| RegistryError::Key { name: name.to_owned(), why: why.to_owned() };
        let der = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs8(der)) => der.secret_pkcs8_der().to_vec(),
            Ok(PrivateKeyDer::Sec1(der)) => pkcs8(der.secret_sec1_der()).ok_or_else(|| wrong(NOT_P256))?,
            Ok(_) => return Err(wrong(NOT_P256)),
            Err(_) => return Err(wrong(explain_private(pem))),
        };
        Self::from_der(name, &der).ok_or_else(|| wrong(NOT_P256))
    }

    fn from_der(name: &str, der: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random).ok()?;
        let point = pair.public_key().as_ref().try_into().ok()?;
        let public = PublicKey { name: name.to_owned(), point };
        Some(Self { pair, random, public })
    }

    /// Makes a new key. Returns it as PEM text in the form PKCS #8, with its public half.
    ///
    /// # Errors
    ///
    /// Where the system has no random numbers.
    pub fn generate(name: &str) -> Result<(String, PublicKey), RegistryError> {
        let why = || RegistryError::Key { name: name.to_owned(), why: "the system has no random numbers".to_owned() };
        let der =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).map_err(|_| why())?;
        let key = Self::from_der(name, der.as_ref()).ok_or_else(why)?;
        Ok((pem("PRIVATE KEY", der.as_ref()), key.public))
    }

    /// The half that verifies.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, RegistryError> {
        let signature = self.pair.sign(&self.random, message);
        let signature = signature.map_err(|_| RegistryError::Key {
            name: self.public.name.clone(),
            why: "it did not sign: the system has no random numbers".to_owned(),
        })?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}

const NOT_P256: &str = "this is no key of ECDSA on P-256\n  help: `arcllm module key` makes one";

fn explain_private(pem: &str) -> &'static str {
    if pem.contains("-----BEGIN PUBLIC KEY-----") {
        return "this is a public key\n  help: sign with the private one";
    }
    if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        return "this key is encrypted\n  help: `openssl pkcs8 -topk8 -nocrypt -in KEY -out key.pem` asks for its password and writes it in the clear";
    }
    if pem.contains("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----")
        || pem.contains("-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----")
    {
        return "this key is encrypted by cosign, which alone reads it\n  help: publish without signing, then `cosign sign --key KEY --tlog-upload=false HOST/REPOSITORY@DIGEST`; or make a key with `arcllm module key`";
    }
    "this is no private key\n  help: give a PEM file that begins with `-----BEGIN PRIVATE KEY-----`; `arcllm module key` makes one"
}

/// Wraps the older form of a private key (SEC 1, RFC 5915) in PKCS #8 (RFC 5958). `None` stands for one that is too long.
fn pkcs8(sec1: &[u8]) -> Option<Vec<u8>> {
    let algorithm = SPKI.get(2..23)?;
    let version: &[u8] = &[0x02, 0x01, 0x00];
    der(0x30, &[version, algorithm, &der(0x04, sec1)?].concat())
}

/// A DER value of at most 255 bytes.
fn der(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(content.len()).ok()?;
    let head: &[u8] = if length < 0x80 { &[tag, length] } else { &[tag, 0x81, length] };
    Some([head, content].concat())
}

/// Writes PEM text (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem_of(label: &str) -> String {
        format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n")
    }

    #[test]
    fn a_key_that_was_made_signs_and_its_public_half_verifies() {
        let (private, public) = SigningKey::generate("mine").unwrap();
        let key = SigningKey::from_pem("mine", &private).unwrap();
        assert_eq!(*key.public(), public);
        assert_eq!(PublicKey::from_pem("mine", &public.to_pem()).unwrap(), public);
        let signature = key.sign(b"statement").unwrap();
        assert!(public.verifies(b"statement", &signature));
        assert!(!public.verifies(b"statements", &signature));
        assert!(!public.verifies(b"statement", &signature[1..]));
        assert!(!public.verifies(b"statement", b""));
        let (_, other) = SigningKey::generate("other").unwrap();
        assert!(!other.verifies(b"statement", &signature));
        let secret = private.lines().nth(1).unwrap();
        assert!(!format!("{key:?}").contains(secret));
    }

    #[test]
    fn what_is_no_key_says_what_would_be() {
        let (private, public) = SigningKey::generate("mine").unwrap();
        for (pem, expected) in [
            (public.to_pem(), "this is a public key"),
            (pem_of("PRIVATE KEY"), "no key of ECDSA"),
            (pem_of("EC PRIVATE KEY"), "no key of ECDSA"),
            (pem_of("ENCRYPTED PRIVATE KEY"), "is encrypted\n"),
            (pem_of("ENCRYPTED SIGSTORE PRIVATE KEY"), "cosign sign --key"),
            (pem_of("CERTIFICATE"), "no private key"),
            (String::new(), "no private key"),
        ] {
            let error = SigningKey::from_pem("mine", &pem).unwrap_err().to_string();
            assert!(error.starts_with("mine: ") && error.contains(expected), "{error}");
        }
        // What stands around the block is a note for people (RFC 7468).
        let noted = format!("The key of me.\n\n{}\nKeep it.\n", public.to_pem());
        assert_eq!(PublicKey::from_pem("mine", &noted).unwrap(), public);
        let (_, other) = SigningKey::generate("other").unwrap();
        let two = format!("{}{}", public.to_pem(), other.to_pem());
        let mut der = public.der();
        *der.last_mut().unwrap() ^= 1;
        let off_the_curve = super::pem("PUBLIC KEY", &der);
        let cut = public.to_pem().replace("-----END", "");
        let compressed = public.to_pem().replace("QgAE", "QgAD");
        for (pem, expected) in [
            (private, "this is a private key"),
            (pem_of("PUBLIC KEY"), "no key of ECDSA"),
            (compressed, "no key of ECDSA"),
            (two, "more than one part"),
            (off_the_curve, "no key of ECDSA"),
            (cut, "no key of ECDSA"),
            ("\u{0}".repeat(1000), "no public key"),
            (pem_of("CERTIFICATE"), "no public key"),
        ] {
            let error = PublicKey::from_pem("mine", &pem).unwrap_err().to_string();
            assert!(error.starts_with("mine: ") && error.contains(expected), "{error}");
        }
    }
}
