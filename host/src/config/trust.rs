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
    /// The same of the lock beside it.
    LockChanged,
    /// The same of a key file of its `[trust]`.
    KeyChanged,
}

impl Trust {
    /// Judges a file in the working directory with this content, and the lock beside it if there is one. `user` is the user's
    /// own configuration: the working directory may be its folder.
    pub(crate) fn of_found(
        (file, content): (&Path, &str),
        (lock_file, lock): (&Path, Option<&str>),
        user: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let is_users =
            user.is_some_and(|user| matches!((place(file), place(user)), (Ok(one), Ok(other)) if one == other));
        if is_users {
            return Ok(Trust::Own);
        }
        let Some(store) = TrustStore::of_user() else { return Ok(Trust::Found) };
        let Some(trusted) = store.entry(file)? else { return Ok(Trust::Found) };
        let trusted_lock = store.entry(lock_file)?.map(|trusted| trusted.sha256);
        Ok(match trusted.sha256 == digest(content.as_bytes()) {
            false => Trust::Changed,
            true if trusted_lock != lock.map(|lock| digest(lock.as_bytes())) => Trust::LockChanged,
            // Only those that were trusted are read: a stranger may name others.
            true if trusted.changed_key().is_some() => Trust::KeyChanged,
            true => Trust::Own,
        })
    }
}
