//! What a program sets in code, on top of the configuration.

use std::time::Duration;

use crate::{
    assembly::builder::HostBuilder,
    chat::config_error::ConfigError,
    config::{config::Config, model::ModelConfig, module::ModuleConfig, provider::ProviderConfig},
};

/// What is set here comes on top of [`config`](HostBuilder::config), in whatever order the two are called. A mistake in it is an error
/// of [`build`](HostBuilder::build).
///
/// ```
/// use std::time::Duration;
/// use arcllm::{Host, ModuleConfig, ProviderConfig};
///
/// let host = Host::builder()
///     .provider("local", ProviderConfig::openai("http://localhost:8080")?.model("tiny"))
///     .module("retry", ModuleConfig::on().setting("max_retries", 5))
///     .deadline(Duration::from_secs(60))
///     .build()?;
/// # Ok::<_, arcllm::ConfigError>(())
/// ```
impl HostBuilder {
    /// Adds a provider, or replaces the one of this name: see [`Config::with_provider`].
    #[must_use]
    pub fn provider(self, name: impl Into<String>, provider: ProviderConfig) -> Self {
        let name = name.into();
        self.edit(|config| config.with_provider(name, provider))
    }

    /// Adds a module, or replaces the one of this name: see [`Config::with_module`].
    #[must_use]
    pub fn module(self, name: impl Into<String>, module: ModuleConfig) -> Self {
        let name = name.into();
        self.edit(|config| config.with_module(name, module))
    }

    /// Adds a name for [`load_model`](crate::Host::load_model), or replaces it: see [`Config::with_model`].
    #[must_use]
    pub fn model(self, name: impl Into<String>, model: ModelConfig) -> Self {
        let name = name.into();
        self.edit(|config| config.with_model(name, model))
    }

    /// Sets the order of modules, outermost first. A module that is on stands in it.
    #[must_use]
    pub fn order(self, order: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let order: Vec<String> = order.into_iter().map(Into::into).collect();
        self.edit(|config| config.with_order(order))
    }

    /// Sets how long one invoke may take, retries and fallbacks included; 10 minutes unless it is set.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        self.edit(move |config| config.with_deadline(deadline))
    }

    /// Sets how many requests one invoke may send, whatever its modules do; 32 unless it is set.
    #[must_use]
    pub fn max_attempts(self, max_attempts: u32) -> Self {
        self.edit(move |config| config.with_max_attempts(max_attempts))
    }

    fn edit(mut self, edit: impl FnOnce(Config) -> Result<Config, ConfigError> + Send + Sync + 'static) -> Self {
        self.edits.push(Box::new(edit));
        self
    }
}
