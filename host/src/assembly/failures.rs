//! The module files that did not load, so that each causes one warning.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::chat::config_error::ConfigError;

/// What happens to a module that has an earlier version.
pub(crate) const GOES_ON: &str = "its earlier version goes on";

/// What happens to a module whose file was removed before.
pub(crate) const STAYS_REMOVED: &str = "its calls still end as on_trap says";

/// The module files that did not load, by module: the digest of the file and what was wrong.
#[derive(Default)]
pub(crate) struct KnownFailures(Mutex<HashMap<String, (String, ConfigError)>>);

impl KnownFailures {
    /// Warns that the file with this digest does not load, unless the last warning about this module said so. `so` says what
    /// happens to the module.
    pub(crate) fn warn_once(&self, module: &str, digest: &str, error: &ConfigError, so: &str) {
        if self.is_new(module, digest, error) {
            tracing::warn!(module, "the new file of the module does not load, so {so}: {error}");
        }
    }

    /// Forgets the failure of a module that loads now.
    pub(crate) fn forget(&self, module: &str) {
        self.known().remove(module);
    }

    fn is_new(&self, module: &str, digest: &str, error: &ConfigError) -> bool {
        let failure = (digest.to_owned(), error.clone());
        self.known().insert(module.to_owned(), failure.clone()) != Some(failure)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, (String, ConfigError)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_causes_one_warning() {
        let failures = KnownFailures::default();
        let (one, other) = (ConfigError::new("is no module"), ConfigError::new("is not the one"));
        assert!(failures.is_new("mine", "0a", &one));
        assert!(!failures.is_new("mine", "0a", &one));
        assert!(failures.is_new("mine", "0b", &one), "other bytes");
        assert!(failures.is_new("mine", "0b", &other), "another reason");
        assert!(failures.is_new("yours", "0b", &other), "another module");
        failures.forget("mine");
        assert!(failures.is_new("mine", "0b", &other), "it had loaded meanwhile");
    }
}
