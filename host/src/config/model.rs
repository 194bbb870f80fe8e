//! A model by a name of its own: `[models.NAME]`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    chat::{config_error::ConfigError, options::Options, request::Request, reserved},
    config::{
        document::join,
        overrides::{Overrides, Switch, check_switch},
        section::Section,
    },
};

/// `[models.NAME]`: what [`load_model`](crate::Host::load_model) loads by this name.
///
/// ```
/// use arcllm::{ModelConfig, Options};
/// use serde_json::json;
///
/// let fast = ModelConfig::new("groq")
///     .model("llama-3.1-8b-instant")
///     .options(Options::new().max_tokens(500))
///     .module("retry", json!({"max_retries": 1}));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelConfig {
    /// The provider.
    pub provider: String,
    /// The model that it is asked for; absent is the provider's default.
    pub model: Option<String>,
    /// Options of requests that do not set them: `[models.NAME.options]`.
    pub options: Options,
    /// What it changes in the modules: `[models.NAME.modules]`.
    pub(crate) modules: BTreeMap<String, Value>,
}

impl ModelConfig {
    /// The default model of this provider.
    pub fn new(provider: impl Into<String>) -> Self {
        Self { provider: provider.into(), model: None, options: Options::new(), modules: BTreeMap::new() }
    }

    /// Asks for this model.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the options of requests that do not set them.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Switches a module as [`Overrides::module`] does. What the overrides of a load say of it comes first.
    #[must_use]
    pub fn module(mut self, name: impl Into<String>, switch: impl Into<Switch>) -> Self {
        self.modules = Overrides { model: None, modules: self.modules }.module(name, switch).modules;
        self
    }

    pub(crate) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let provider = section.text("provider")?;
        let missing = || section.error("provider", "is missing").help("the name of a provider, such as \"anthropic\"");
        let provider = provider.ok_or_else(missing)?;
        let model = section.text("model")?;
        let options = read_options(section.section("options")?)?;
        let mut table = section.section("modules")?;
        let modules: BTreeMap<_, _> = table.take().into_iter().collect();
        for (name, switch) in &modules {
            check_switch(switch).map_err(|wrong| {
                table.error_at(&wrong.key(&join(table.path(), name)), wrong.problem).help(wrong.help)
            })?;
        }
        section.finish()?;
        Ok(Self { provider, model, options, modules })
    }
}

/// `[models.NAME.options]`: the options of a request that make sense as a default.
fn read_options(mut section: Section<'_>) -> Result<Options, ConfigError> {
    let mut options = Options::new();
    options.max_tokens = section.count_u32("max_tokens")?;
    options.temperature = section.temperature()?;
    options.top_p = section.amount("top_p")?;
    options.stop = section.texts("stop")?.unwrap_or_default();
    options.top_k = section.count_u32("top_k")?;
    options.parallel_tool_calls = section.flag("parallel_tool_calls")?;
    options.seed = section.integer("seed")?;
    options.output = section.value("output", "\"text\", \"json\" or { json_schema = { name = …, schema = … } }")?;
    options.reasoning = section.value("reasoning", "\"off\", a word such as \"low\", or { budget_tokens = 2000 }")?;
    options.user = section.text("user")?;
    options.deadline = section.seconds("deadline_seconds")?;
    options.labels = section.section("labels")?.all_texts()?;
    options.metadata = section.section("metadata")?.all_texts()?;
    let mut extensions = section.section("extensions")?;
    options.extensions = extensions.take().into_iter().collect();
    let request = Request::new([]).with_options(options);
    reserved::check(&request).map_err(|reserved| {
        let help = "the option of the same meaning; `model` stands in the table itself";
        extensions.error(&reserved.key, "sets what ArcLLM writes itself").help(help)
    })?;
    section.finish()?;
    Ok(request.options)
}
