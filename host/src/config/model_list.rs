//! All models that are known, for `arcllm models`.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::{
    chat::config_error::ConfigError,
    config::{catalogue, config::Config, model_facts::ModelFacts, provider::ProviderConfig, suggest::suggest},
};

/// A model of a provider, and where what is known of it comes from. Its JSON has the facts under the keys of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ListedModel {
    /// Its provider.
    pub provider: String,
    /// The model that the provider is asked for.
    pub model: String,
    /// Other names of it. A name with a date behind it needs none.
    pub aliases: Vec<String>,
    /// Whether the provider is asked for it unless a call names a model.
    #[serde(rename = "default")]
    pub is_default: bool,
    /// What is known of it.
    #[serde(flatten)]
    pub facts: ModelFacts,
    /// The day of the source. Absent if everything comes from the configuration.
    pub as_of: Option<String>,
    /// The source of what the configuration does not say.
    pub source: Option<String>,
    /// The keys that the configuration sets.
    pub set_by_config: Vec<String>,
}

impl Config {
    /// The models that are known, by provider and name: those of the built-in providers, and what the configuration names.
    /// `provider` asks for the models of one. Keys are not looked for.
    ///
    /// # Errors
    ///
    /// If there is no such provider, with the nearest name.
    pub fn known_models(&self, provider: Option<&str>) -> Result<Vec<ListedModel>, ConfigError> {
        let Some(name) = provider else { return Ok(self.providers.values().flat_map(models_of).collect()) };
        self.providers.get(name).map(models_of).ok_or_else(|| {
            let error = ConfigError::new(format!("unknown provider `{name}`"));
            error.help(suggest(name, self.providers.keys().map(String::as_str)))
        })
    }
}

fn models_of(provider: &ProviderConfig) -> Vec<ListedModel> {
    let listed = provider.serves.as_deref().into_iter().flat_map(catalogue::models).map(|(name, _)| name);
    let own = provider.models.keys().chain(&provider.default_model).map(String::as_str);
    let names: BTreeSet<&str> = own.chain(listed).collect();
    names.into_iter().map(|name| model_of(provider, name)).collect()
}

fn model_of(provider: &ProviderConfig, name: &str) -> ListedModel {
    let line = provider.serves.as_deref().and_then(|preset| catalogue::find(preset, name));
    let is_line = line.is_some_and(|(line, _)| line == name);
    // The table of a line holds for its other names too.
    let tables = [Some(name), line.map(|(line, _)| line)].into_iter().flatten();
    let set: BTreeSet<String> = tables.filter_map(|name| provider.models.get(name)).flat_map(keys).collect();
    ListedModel {
        provider: provider.name.clone(),
        model: name.to_owned(),
        aliases: line.filter(|_| is_line).map(|(_, line)| line.aliases.clone()).unwrap_or_default(),
        is_default: provider.default_model.as_deref() == Some(name),
        facts: provider.facts(name),
        as_of: line.map(|(_, line)| line.as_of.clone()),
        source: line.map(|(_, line)| line.source.clone()),
        set_by_config: set.into_iter().collect(),
    }
}

/// The keys of these facts that are set.
fn keys(facts: &ModelFacts) -> Vec<String> {
    let Ok(Value::Object(fields)) = serde_json::to_value(facts) else { return Vec::new() };
    let is_set = |value: &Value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty());
    fields.into_iter().filter(|(_, value)| is_set(value)).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_configuration_names_stands_beside_the_catalogue() {
        let table = r#"
            [providers.mine]
            adapter = "openai"
            base_url = "http://localhost:1"
            default_model = "tiny"
            [providers.mine.models.big]
            cost_input_per_1m = 1
            [providers.openai.models."gpt-4o"]
            cost_input_per_1m = 1
            supports_tools = false
            [providers.openai.models."gpt-4o-2024-08-06"]
            context_window = 1000
        "#;
        let models = Config::parse(table, None).unwrap().known_models(None).unwrap();
        let model = |provider: &str, name: &str| {
            models.iter().find(|model| model.provider == provider && model.model == name).unwrap()
        };
        assert_eq!(model("openai", "gpt-4o").set_by_config, ["cost_input_per_1m", "supports_tools"]);
        let dated = model("openai", "gpt-4o-2024-08-06");
        assert_eq!(dated.set_by_config, ["context_window", "cost_input_per_1m", "supports_tools"]);
        assert_eq!((dated.facts.cost_input_per_1m, dated.facts.cost_output_per_1m), (Some(1.0), Some(10.0)));
        assert!(dated.as_of.is_some() && dated.source.is_some());
        assert_eq!((model("mine", "tiny").is_default, model("mine", "tiny").as_of.as_deref()), (true, None));
        assert_eq!((model("mine", "big").is_default, model("mine", "big").set_by_config.len()), (false, 1));
        assert!(model("openai", "gpt-4o-mini").set_by_config.is_empty());
        assert_eq!(model("openai", "gpt-5.6-sol").aliases, ["gpt-5.6"]);
    }
}
