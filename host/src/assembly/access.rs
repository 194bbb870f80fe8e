//! Which keys a host uses for which provider, and whether it may.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use crate::{
    adapter::{
        http::access::Access,
        key::{
            api_key::ApiKey,
            keys::{Keys, Resolver, of_file as key_of_file},
        },
    },
    assembly::host::{Host, Shared},
    config::{
        additions::Addition,
        document::join,
        error::ConfigError,
        key::KeySource,
        overrides::Overrides,
        powers::{power_of, power_of_model},
        provider::ProviderConfig,
    },
};

/// The keys of a host's providers.
#[derive(Default)]
pub(crate) struct KeyRing {
    pub(crate) resolver: Option<Resolver>,
    /// Those that are read once, by provider. What is in the environment is looked up again.
    kept: Mutex<HashMap<String, Arc<Keys>>>,
}

impl Shared {
    /// What requests to this provider carry besides their content. Everything that is sent with a key begins here.
    ///
    /// # Errors
    ///
    /// Where the configuration is not trusted with this, or names a variable that holds nothing that can be sent.
    pub(crate) fn access(&self, provider: &ProviderConfig) -> Result<Access, ConfigError> {
        self.config.check_provider_is_trusted(provider)?;
        let keys = self.keys(provider)?;
        Access::new(provider, keys).map_err(|(key, problem)| self.provider_error(provider, &key, problem))
    }

    /// Checks what has to be there when a model of this provider is loaded: the trust that it takes, its own and that of
    /// the providers that its modules name, and its key.
    ///
    /// # Errors
    ///
    /// Whatever is not there. Nothing was sent.
    pub(crate) async fn check_access(&self, provider: &str, overrides: &Overrides) -> Result<(), ConfigError> {
        self.config.check_attempts_are_trusted()?;
        for provider in self.asked_by_chain(provider, overrides)? {
            self.config.check_provider_is_trusted(provider)?;
        }
        match self.config.providers.get(provider) {
            Some(provider) if !self.has_adapter(&provider.name) => self.keys(provider)?.get().await.map(drop),
            _ => Ok(()),
        }
    }

    /// This provider and those that the settings of modules that are on name, as far as the configuration has them: a
    /// module of an untrusted configuration is built in, and knows no others.
    pub(crate) fn asked_by_chain(
        &self,
        provider: &str,
        overrides: &Overrides,
    ) -> Result<Vec<&ProviderConfig>, ConfigError> {
        let mut names = vec![provider.to_owned()];
        if !self.config.is_trusted() {
            for module in self.switched_on(overrides)? {
                module.settings.values().for_each(|setting| texts(setting, &mut names));
            }
        }
        let providers = self.config.providers.values().filter(|provider| !self.has_adapter(&provider.name));
        // Also a model of a provider: `openai/gpt-4.1`.
        let is_named = |provider: &str, text: &str| {
            text.strip_prefix(provider).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        Ok(providers.filter(|provider| names.iter().any(|text| is_named(&provider.name, text))).collect())
    }

    /// What is missing of what requests to this provider carry, as far as that can be said without running anything, and
    /// without looking where an untrusted configuration points to.
    pub(crate) fn missing(&self, provider: &ProviderConfig) -> Vec<ConfigError> {
        if self.config.check_provider_is_trusted(provider).is_err() {
            return Vec::new();
        }
        let name = &provider.name;
        let mut missing = Vec::new();
        let key = match &provider.key {
            _ if self.keys.resolver.is_some() => None,
            Some(KeySource::Env(variable)) => ApiKey::from_env(variable).err().map(|problem| {
                let help = format!("put the key of {name} into the variable {variable}");
                self.provider_error(provider, "api_key_env", problem).help(help)
            }),
            // Whoever waits at the other end of a pipe would wait for somebody who asks.
            Some(KeySource::File(file)) if file.exists() && !file.is_file() => None,
            Some(KeySource::File(file)) => {
                key_of_file(file).err().map(|problem| self.provider_error(provider, "api_key_file", problem))
            }
            Some(KeySource::Secret(_) | KeySource::Command { .. }) | None => None,
        };
        missing.extend(key);
        for (table, additions) in [("headers", &provider.headers), ("query", &provider.query)] {
            for (addition, value) in additions {
                if let Addition::Env(variable) = value
                    && let Err(problem) = ApiKey::from_env(variable)
                {
                    missing.push(self.provider_error(provider, &join(table, addition), problem));
                }
            }
        }
        missing
    }

    fn keys(&self, provider: &ProviderConfig) -> Result<Arc<Keys>, ConfigError> {
        let resolver = self.keys.resolver.clone().filter(|_| self.config.may_be_given_keys(provider));
        let setting = provider.key.as_ref().map_or("api_key_env", KeySource::setting);
        let keys = Keys::new(provider, resolver, self.provider_error(provider, setting, String::new()));
        if !keys.can_change() {
            keys.read_at_once()?;
            return Ok(Arc::new(keys));
        }
        let mut kept = self.keys.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.entry(provider.name.clone()).or_insert_with(|| Arc::new(keys)).clone())
    }

    pub(crate) fn provider_error(&self, provider: &ProviderConfig, key: &str, problem: String) -> ConfigError {
        self.config.document.error(Some(&format!("{}.{key}", join("providers", &provider.name))), problem)
    }
}

impl Host {
    /// What the configuration would do that takes its user's trust: a sentence for each provider that gets a key elsewhere
    /// than by its preset, for each model with extensions, and for each module from a file. Whether it is trusted makes no difference to the answer.
    pub fn takes_trust(&self) -> Vec<String> {
        let shared = &self.shared;
        let providers = shared.config.providers.values().filter_map(power_of);
        let modules = shared.module_names().into_iter().filter_map(|name| {
            let file = shared.file(&name, &shared.sandbox(&name))?;
            Some(shared.config.power_of_file(&name, &file))
        });
        let models = shared.config.models.iter().filter_map(|(name, model)| power_of_model(name, model));
        providers.chain(models).chain(modules).map(|power| format!("`{}` {}", power.key, power.would)).collect()
    }
}

/// All texts in a value, and the names in its tables.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(items) => {
            for (name, item) in items {
                found.push(name.clone());
                texts(item, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
