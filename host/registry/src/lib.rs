//! Modules in OCI registries: publishing, pulling, signing, verifying.
//!
//! A [`Registry`] speaks the [distribution specification](https://github.com/opencontainers/distribution-spec). A module is a
//! manifest with one layer of the type `application/wasm`, as `wkg` writes and reads it. A [`Signature`] is cosign's, at the tag
//! `sha256-HEX.sig` of the same repository.
//!
//! A registry is a stranger. Everything that it sends has a limit in size and time, content is kept only if it has the digest
//! that it was asked for by, and a login goes to nobody but the registry and the token server that it names.
//!
//! ```no_run
//! use arcllm_registry::{Limits, PublicKey, Reference, Registry, Signature};
//!
//! # async fn pull() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new(Limits::default())?;
//! let reference: Reference = "oci://registry.example/me/mine:1.2.0".parse()?;
//! let found = registry.look(&reference).await?;
//! let key = PublicKey::from_pem("cosign.pub", &std::fs::read_to_string("cosign.pub")?)?;
//! if let Signature::Verified { .. } = registry.signature(&found.reference, &found.manifest_digest, &[key]).await? {
//!     // By the digest that was verified: the tag may have moved since.
//!     registry.pull(&found, "mine.wasm".as_ref(), &mut |_, _| ()).await?;
//! }
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod component;
mod cosign;
mod digest;
mod error;
mod found;
mod http;
mod key;
mod limits;
mod login;
mod manifest;
mod part;
mod pull;
mod push;
mod reference;
mod registry;
mod session;
mod signature;

pub use digest::{Digest, DigestError};
pub use error::RegistryError;
pub use found::{Description, Found};
pub use key::{PublicKey, SigningKey};
pub use limits::Limits;
pub use manifest::check_manifest;
pub use reference::Reference;
pub use registry::{Progress, Registry};
pub use signature::{Signature, Signed, verify_offline};
