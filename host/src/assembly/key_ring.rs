//! The keys of a host's providers, and what else their requests carry.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    adapter::{
        http::access::Access,
        key::{
            api_key::ApiKey,
            provider_key::{ProviderKey, Resolver, of_file as key_of_file},
        },
    },
    chat::config_error::ConfigError,
    config::{additions::Addition, config::Config, document::join, key::KeySource, provider::ProviderConfig},
};

/// The keys of a host's providers.
pub(crate) struct KeyRing {
    config: Arc<Config>,
    /// The program's own source of keys, which comes first.
    resolver: Option<Resolver>,
    /// The keys that take time to read, by provider. A key in the environment is read each time.
    kept: Mutex<HashMap<String, Arc<ProviderKey>>>,
}

impl KeyRing {
    /// The keys of this configuration and this resolver.
    pub(crate) fn new(config: Arc<Config>, resolver: Option<Resolver>) -> Self {
        Self { config, resolver, kept: Mutex::default() }
    }

    /// What requests to this provider carry besides their content: the key, headers and query. Every key that is sent
    /// comes from here.
    ///
    /// # Errors
    ///
    /// Where the configuration is not trusted with this, or a variable is missing or not valid.
    pub(crate) fn access(&self, provider: &ProviderConfig) -> Result<Access, ConfigError> {
        self.config.check_provider_is_trusted(provider)?;
        let keys = self.keys(provider)?;
        Access::new(provider, keys).map_err(|(key, problem)| self.config.provider_error(provider, &key, problem))
    }

    /// Finds keys, headers and query values that are missing. Runs nothing, and does not follow an untrusted
    /// configuration.
    pub(crate) fn missing(&self, provider: &ProviderConfig) -> Vec<ConfigError> {
        if self.config.check_provider_is_trusted(provider).is_err() {
            return Vec::new();
        }
        let name = &provider.name;
        let mut missing = Vec::new();
        let key = match &provider.key {
            _ if self.resolver.is_some() => None,
            Some(KeySource::Env(variable)) => ApiKey::from_env(variable).err().map(|problem| {
                let help = format!("put the key of {name} into the variable {variable}");
                self.config.provider_error(provider, "api_key_env", problem).help(help)
            }),
            // Reading a pipe here would take the key from its writer.
            Some(KeySource::File(file)) if file.exists() && !file.is_file() => None,
            Some(KeySource::File(file)) => {
                key_of_file(file).err().map(|problem| self.config.provider_error(provider, "api_key_file", problem))
            }
            Some(KeySource::Secret(_) | KeySource::Command { .. }) | None => None,
        };
        missing.extend(key);
        for (table, additions) in [("headers", &provider.headers), ("query", &provider.query)] {
            for (addition, value) in additions {
                if let Addition::Env(variable) = value
                    && let Err(problem) = ApiKey::from_env(variable)
                {
                    missing.push(self.config.provider_error(provider, &join(table, addition), problem));
                }
            }
        }
        missing
    }

    /// The key of this provider. A host reads it once if that takes time.
    pub(crate) fn keys(&self, provider: &ProviderConfig) -> Result<Arc<ProviderKey>, ConfigError> {
        let resolver = self.resolver.clone().filter(|_| self.config.may_be_given_keys(provider));
        let setting = provider.key.as_ref().map_or("api_key_env", KeySource::setting);
        let keys = ProviderKey::new(provider, resolver, self.config.provider_error(provider, setting, String::new()));
        if !keys.can_change() {
            keys.read_at_once()?;
            return Ok(Arc::new(keys));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.entry(provider.name.clone()).or_insert_with(|| Arc::new(keys)).clone())
    }
}
