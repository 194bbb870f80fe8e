//! What can go wrong between this machine and a registry.

use std::{io, path::PathBuf};

use crate::digest::Digest;

/// The most characters that are kept of a text from outside.
const LONGEST: usize = 200;

/// Why something could not be read from a registry, or written to it.
///
/// Each says what to do after a line break and `help:`. None holds a login. Texts of registries in them are one line of at
/// most 200 characters without control characters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A text is no reference.
    #[error("`{text}` names no module in a registry: {why}")]
    Reference {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The registry has no such thing, or does not show it to this login.
    #[error(
        "{what}: the registry does not have it\n  help: check the name and the tag; a private repository needs `docker login`"
    )]
    NotFound {
        /// The reference.
        what: String,
    },
    /// The registry does not let this login in.
    #[error(
        "{registry}: access was refused{why}\n  help: log in with `docker login {registry}`, as somebody who may do this"
    )]
    Refused {
        /// Its host and port.
        registry: String,
        /// What it says, after a colon, or nothing.
        why: String,
    },
    /// The login that docker keeps cannot be read.
    #[error("{registry}: its login cannot be read: {why}\n  help: repair it with `docker login {registry}`")]
    Login {
        /// The registry's host and port.
        registry: String,
        /// Why.
        why: String,
    },
    /// What is there is no module.
    #[error(
        "{what}: this is no module: {why}\n  help: `arcllm module publish` and `wkg oci push` write what can be read here"
    )]
    NotAModule {
        /// The reference or the file.
        what: String,
        /// What it is instead.
        why: String,
    },
    /// It is larger than the limit.
    #[error("{what} is larger than the limit of {limit} bytes{help}")]
    TooLarge {
        /// What is too large, and where it is.
        what: String,
        /// The limit, in bytes.
        limit: u64,
        /// What to do, as `\n  help: …`, where something can be done.
        help: String,
    },
    /// The content does not have the digest that it was asked for by.
    #[error(
        "{what}: the content was changed: expected {expected}, got {got}\n  help: the registry is broken or somebody has \
         tampered with it; nothing was kept"
    )]
    Changed {
        /// The reference, or what of it.
        what: String,
        /// The digest that it should have.
        expected: Digest,
        /// The digest that it has.
        got: Digest,
    },
    /// The registry cannot be reached, or the connection broke.
    #[error("{registry}: {why}\n  help: check that the registry runs and can be reached, then run this again")]
    Connection {
        /// Its host and port.
        registry: String,
        /// What happened.
        why: String,
    },
    /// The registry takes too long.
    #[error("{registry}: no end of the answer after {seconds} s\n  help: try again later, or from a faster network")]
    TimedOut {
        /// Its host and port.
        registry: String,
        /// The limit.
        seconds: u64,
    },
    /// The registry says that it failed, or it breaks the rules of the distribution specification.
    #[error("{registry}: {why}\n  help: the registry does not work as registries should; ask those who run it")]
    Broken {
        /// Its host and port.
        registry: String,
        /// What it did.
        why: String,
    },
    /// A file on this machine cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key cannot be used.
    #[error("{name}: {why}")]
    Key {
        /// The name or file of the key.
        name: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// TLS or the HTTP client cannot be set up.
    #[error(
        "cannot set up connections: {why}\n  help: install the certificates of your system (package `ca-certificates`)"
    )]
    Setup {
        /// Why.
        why: String,
    },
}

impl RegistryError {
    pub(crate) fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { path: path.into(), source }
    }

    pub(crate) fn no_module(what: impl ToString, why: impl Into<String>) -> Self {
        Self::NotAModule { what: what.to_string(), why: why.into() }
    }
}

/// Makes one short line of a text from outside.
pub(crate) fn excerpt(text: &str) -> String {
    let mut characters = text.chars().map(|each| if each.is_control() { ' ' } else { each });
    let short: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() { format!("{short}…") } else { short }
}
