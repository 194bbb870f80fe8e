//! Signs and verifies with the crate `sigstore`, for the tests in `tests/tests/registry/tools.rs`:
//!
//! - `verify IMAGE PUBLIC-KEY` succeeds if the key has signed the image,
//! - `sign IMAGE PRIVATE-KEY` signs it,
//! - `key FILE PASSWORD` makes `FILE.key`, encrypted as cosign does, and `FILE.pub`.

use std::fs;

use anyhow::{Context as _, Result, bail};
use sigstore::{
    cosign::{
        Client, ClientBuilder, Constraint as _, CosignCapabilities as _, SignatureLayer,
        constraint::PrivateKeySigner,
        verification_constraint::{PublicKeyVerifier, VerificationConstraintVec},
        verify_constraints,
    },
    crypto::SigningScheme,
    registry::{Auth, ClientConfig, ClientProtocol, OciReference},
};
use zeroize::Zeroizing;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["verify", image, key] => verify(&image.parse()?, key).await,
        ["sign", image, key] => sign(&image.parse()?, key).await,
        ["key", file, password] => key(file, password),
        _ => bail!("verify IMAGE PUBLIC-KEY, sign IMAGE PRIVATE-KEY or key FILE PASSWORD"),
    }
}

fn client() -> Result<Client> {
    let config = ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() };
    Ok(ClientBuilder::default().with_oci_client_config(config).build()?)
}

async fn verify(image: &OciReference, key: &str) -> Result<()> {
    let layers = client()?.trusted_signature_layers(&Auth::Anonymous, image).await?;
    let verifier = PublicKeyVerifier::try_from(&fs::read(key)?)?;
    let constraints: VerificationConstraintVec = vec![Box::new(verifier)];
    verify_constraints(&layers, constraints.iter()).map_err(|error| anyhow::anyhow!("{error:?}"))
}

async fn sign(image: &OciReference, key: &str) -> Result<()> {
    let mut client = client()?;
    let (place, digest) = client.triangulate(image, &Auth::Anonymous).await?;
    let mut layer = SignatureLayer::new_unsigned(image, &digest)?;
    let key = Zeroizing::new(fs::read(key)?);
    let signer = PrivateKeySigner::new_with_raw(key, Zeroizing::new(Vec::new()), &SigningScheme::default())?;
    signer.add_constraint(&mut layer).context("it does not sign")?;
    client.push_signature(None, &Auth::Anonymous, &place, vec![layer]).await?;
    Ok(())
}

fn key(file: &str, password: &str) -> Result<()> {
    let pair = SigningScheme::ECDSA_P256_SHA256_ASN1.create_signer()?.to_sigstore_keypair()?;
    fs::write(format!("{file}.key"), pair.private_key_to_encrypted_pem(password.as_bytes())?.as_bytes())?;
    fs::write(format!("{file}.pub"), pair.public_key_to_pem()?)?;
    Ok(())
}
