//! What a load may do with an untrusted configuration.

use serde_json::Value;

use crate::{
    assembly::{
        enabled::enabled,
        host::{Host, HostInner},
    },
    chat::config_error::ConfigError,
    config::{overrides::Overrides, provider::ProviderConfig},
};

impl HostInner {
    /// This provider, and the configured providers that the settings of enabled modules name. With an untrusted
    /// configuration, all modules are built in and can ask no others.
    pub(crate) fn asked_by_chain(
        &self,
        provider: &str,
        overrides: &Overrides,
    ) -> Result<Vec<&ProviderConfig>, ConfigError> {
        let mut names = vec![provider.to_owned()];
        if !self.config.is_trusted() {
            for module in enabled(&self.source, overrides)? {
                module.settings.values().for_each(|setting| texts(setting, &mut names));
            }
        }
        let providers = self.config.providers.values().filter(|provider| !self.upstreams.has_adapter(&provider.name));
        // A setting may also name a model: `openai/gpt-4.1`.
        let is_named = |provider: &str, text: &str| {
            text.strip_prefix(provider).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        Ok(providers.filter(|provider| names.iter().any(|text| is_named(&provider.name, text))).collect())
    }
}

impl Host {
    /// What the configuration does that needs trust, each as a sentence: it sends a key or a conversation to another host
    /// than the preset's, reads a key from a file or a command, adds extensions to requests, runs a module from a file, or
    /// raises `host.max_attempts`. The answer does not depend on whether the configuration is trusted.
    pub fn takes_trust(&self) -> Vec<String> {
        let HostInner { config, source, .. } = &*self.inner;
        let modules = source.names().into_iter().filter_map(|name| {
            let file = source.file(&name, &source.sandbox(&name))?;
            Some(config.power_of_file(&name, &file))
        });
        config.powers().into_iter().chain(modules).map(|power| format!("`{}` {}", power.key, power.would)).collect()
    }
}

/// Collects all texts in a value, and the names in its tables.
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
