//! Whether a configuration is trusted.

use std::path::Path;

use crate::{
    chat::config_error::ConfigError,
    config::{
        digest::digest,
        trust_store::{TrustStore, place},
    },
};

/// Whether a configuration is trusted, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Trusted: the user has named it, has trusted it, or keeps it in the user's configuration folder.
    Own,
    /// It was found in the working directory.
    Found,
    /// It was found in the working directory, and has changed since the user trusted it.
    Changed,
}

impl Trust {
    /// Judges a file in the working directory with this content. `user` is the user's own configuration: the working
    /// directory may be its folder.
    pub(crate) fn of_found(file: &Path, content: &str, user: Option<&Path>) -> Result<Self, ConfigError> {
        let is_users =
            user.is_some_and(|user| matches!((place(file), place(user)), (Ok(one), Ok(other)) if one == other));
        if is_users {
            return Ok(Trust::Own);
        }
        let Some(store) = TrustStore::of_user() else { return Ok(Trust::Found) };
        Ok(match store.entry(file)? {
            None => Trust::Found,
            Some(trusted) if trusted.sha256 == digest(content.as_bytes()) => Trust::Own,
            Some(_) => Trust::Changed,
        })
    }
}
