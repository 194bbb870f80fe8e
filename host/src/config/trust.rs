//! Whether a configuration is its user's own.

use std::path::Path;

use crate::config::{
    digest::digest,
    error::ConfigError,
    trust_store::{TrustStore, place},
};

/// Whether a configuration is its user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Its user has named it, remembered it as trusted, or keeps it where only the user can put it.
    Own,
    /// It lay in the working directory.
    Found,
    /// It lay in the working directory, and is another than the one that is remembered.
    Changed,
}

impl Trust {
    /// That of a file in the working directory with this content. `user` is the user's own configuration, which the
    /// working directory may be the folder of.
    pub(crate) fn of_found(file: &Path, content: &str, user: Option<&Path>) -> Result<Self, ConfigError> {
        let is_users =
            user.is_some_and(|user| matches!((place(file), place(user)), (Ok(one), Ok(other)) if one == other));
        if is_users {
            return Ok(Trust::Own);
        }
        let Some(store) = TrustStore::of_user() else { return Ok(Trust::Found) };
        Ok(match store.remembers(file)? {
            None => Trust::Found,
            Some(trusted) if trusted.sha256 == digest(content.as_bytes()) => Trust::Own,
            Some(_) => Trust::Changed,
        })
    }
}
