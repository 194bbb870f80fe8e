//! A configuration that a program writes or changes in code.

use std::{path::PathBuf, time::Duration};

use crate::{
    chat::config_error::ConfigError,
    config::{
        config::{Config, check_order},
        document::{Document, join},
        model::ModelConfig,
        module::ModuleConfig,
        provider::ProviderConfig,
    },
};

impl Config {
    /// The built-in configuration: the presets, and no module on.
    ///
    /// ```
    /// use arcllm::{Config, ModuleConfig, ProviderConfig};
    ///
    /// let config = Config::built_in()?
    ///     .with_provider("local", ProviderConfig::openai("http://localhost:8080")?.model("tiny"))?
    ///     .with_module("retry", ModuleConfig::on())?;
    /// # Ok::<_, arcllm::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// None that a caller can cause.
    pub fn built_in() -> Result<Self, ConfigError> {
        Self::parse("", None)
    }

    /// Adds a provider, or replaces the one of this name.
    ///
    /// # Errors
    ///
    /// If a setting is wrong: a URL in the clear, a header that the adapter sets itself, a limit of zero; or if a model has
    /// this name. The error names the key that the setting has in a file.
    pub fn with_provider(mut self, name: impl Into<String>, provider: ProviderConfig) -> Result<Self, ConfigError> {
        let mut provider = provider.named(name.into())?;
        let name = provider.name.clone();
        if self.models.contains_key(&name) {
            return Err(self.both(&join("models", &name), &name));
        }
        provider.max_tokens = provider.max_tokens.or(self.defaults.max_tokens);
        provider.temperature = provider.temperature.or(self.defaults.temperature);
        self.providers.insert(name, provider);
        Ok(self)
    }

    /// Adds a module, or replaces the one of this name. Where it stands in the chain is in `order`.
    ///
    /// # Errors
    ///
    /// If a setting of its sandbox is wrong. Whether there is such a module, and what it says of its settings, is checked
    /// when a model is loaded.
    pub fn with_module(mut self, name: impl Into<String>, module: ModuleConfig) -> Result<Self, ConfigError> {
        let name = name.into();
        let table = join("modules", &name);
        module.sandbox.check(|key, problem| ConfigError::new(problem).key(format!("{table}.sandbox.{key}")))?;
        self.modules.insert(name, module);
        Ok(self)
    }

    /// Adds a name for [`load_model`](crate::Host::load_model), or replaces it.
    ///
    /// # Errors
    ///
    /// If the name has a `/` or is that of a provider. Whether its provider exists is checked when it is loaded.
    pub fn with_model(mut self, name: impl Into<String>, model: ModelConfig) -> Result<Self, ConfigError> {
        let name = name.into();
        self.check_model_name(&name)?;
        self.models.insert(name, model);
        Ok(self)
    }

    /// Sets the order of modules, outermost first.
    ///
    /// # Errors
    ///
    /// If it names a module twice.
    pub fn with_order(mut self, order: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, ConfigError> {
        self.order = order.into_iter().map(Into::into).collect();
        check_order(&Document::default(), &self.order)?;
        Ok(self)
    }

    /// Sets how long one invoke may take, retries and fallbacks included.
    ///
    /// # Errors
    ///
    /// If it is zero.
    pub fn with_deadline(self, deadline: Duration) -> Result<Self, ConfigError> {
        above_zero("host.deadline_seconds", !deadline.is_zero())?;
        Ok(Self { deadline, ..self })
    }

    /// Sets how many requests one invoke may send, whatever its modules do.
    ///
    /// # Errors
    ///
    /// If it is zero.
    pub fn with_max_attempts(self, max_attempts: u32) -> Result<Self, ConfigError> {
        above_zero("host.max_attempts", max_attempts > 0)?;
        Ok(Self { max_attempts, ..self })
    }

    /// Sets the folder of modules that are files. A relative path starts from the working directory.
    #[must_use]
    pub fn with_modules_dir(self, folder: impl Into<PathBuf>) -> Self {
        Self { modules_dir: Some(folder.into()), ..self }
    }
}

fn above_zero(key: &str, is_above: bool) -> Result<(), ConfigError> {
    match is_above {
        true => Ok(()),
        false => Err(ConfigError::new("is zero").key(key).help("a number above zero")),
    }
}
