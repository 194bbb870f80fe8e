//! What is known of a model: `[providers.NAME.models."MODEL"]`.

use serde::Serialize;

use crate::{
    chat::{config_error::ConfigError, setters::setters},
    config::section::Section,
};

/// What is known of one model, for limits and prices. Absent is unknown. Its JSON has the keys of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelFacts {
    /// Tokens of input and output together.
    pub context_window: Option<u64>,
    /// Tokens of output.
    pub max_output_tokens: Option<u64>,
    /// Whether it takes tools.
    pub supports_tools: Option<bool>,
    /// Whether it takes images.
    pub supports_vision: Option<bool>,
    /// Whether it takes documents.
    pub supports_documents: Option<bool>,
    /// Whether it can reason before it answers.
    pub supports_thinking: Option<bool>,
    /// Whether it can be held to a JSON Schema.
    pub supports_structured_output: Option<bool>,
    /// Whether it goes on from a message of the assistant that stands at the end.
    pub supports_prefix: Option<bool>,
    /// Whether it refuses `temperature`, `top_p` and `top_k`. They are left out.
    pub refuses_temperature: Option<bool>,
    /// What it takes in: `text`, `image` and so on.
    pub input_modalities: Vec<String>,
    /// Price of a million tokens that go in.
    pub cost_input_per_1m: Option<f64>,
    /// Price of a million tokens that come out.
    pub cost_output_per_1m: Option<f64>,
    /// Price of a million input tokens read from the provider's cache.
    pub cost_cache_read_per_1m: Option<f64>,
    /// Price of a million input tokens written to the provider's cache.
    pub cost_cache_write_per_1m: Option<f64>,
    /// Price of a million input tokens written to the provider's cache for an hour.
    pub cost_cache_write_hour_per_1m: Option<f64>,
    /// With more tokens of input than this, those of the cache included, a call has the prices of a long input.
    pub long_input_tokens: Option<u64>,
    /// How many times its price all input of such a call costs. Absent is once.
    pub cost_long_input_times: Option<f64>,
    /// How many times its price all output of such a call costs. Absent is once.
    pub cost_long_output_times: Option<f64>,
}

impl ModelFacts {
    /// Facts of a model, none of them known yet.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        context_window: u64,
        max_output_tokens: u64,
        supports_tools: bool,
        supports_vision: bool,
        supports_documents: bool,
        supports_thinking: bool,
        supports_structured_output: bool,
        supports_prefix: bool,
        refuses_temperature: bool,
        input_modalities: Vec<String>,
        cost_input_per_1m: f64,
        cost_output_per_1m: f64,
        cost_cache_read_per_1m: f64,
        cost_cache_write_per_1m: f64,
        cost_cache_write_hour_per_1m: f64,
        long_input_tokens: u64,
        cost_long_input_times: f64,
        cost_long_output_times: f64,
    }

    pub(crate) fn read(mut section: Section<'_>) -> Result<Self, ConfigError> {
        let facts = Self {
            context_window: section.count("context_window")?,
            max_output_tokens: section.count("max_output_tokens")?,
            supports_tools: section.flag("supports_tools")?,
            supports_vision: section.flag("supports_vision")?,
            supports_documents: section.flag("supports_documents")?,
            supports_thinking: section.flag("supports_thinking")?,
            supports_structured_output: section.flag("supports_structured_output")?,
            supports_prefix: section.flag("supports_prefix")?,
            refuses_temperature: section.flag("refuses_temperature")?,
            input_modalities: section.texts("input_modalities")?.unwrap_or_default(),
            cost_input_per_1m: section.amount("cost_input_per_1m")?,
            cost_output_per_1m: section.amount("cost_output_per_1m")?,
            cost_cache_read_per_1m: section.amount("cost_cache_read_per_1m")?,
            cost_cache_write_per_1m: section.amount("cost_cache_write_per_1m")?,
            cost_cache_write_hour_per_1m: section.amount("cost_cache_write_hour_per_1m")?,
            long_input_tokens: section.count("long_input_tokens")?,
            cost_long_input_times: section.amount("cost_long_input_times")?,
            cost_long_output_times: section.amount("cost_long_output_times")?,
        };
        section.finish()?;
        Ok(facts)
    }

    /// These facts, and those of `under` where these say nothing.
    pub(crate) fn over(&self, under: &Self) -> Self {
        // What it takes in says whether it takes images and documents.
        let says_modalities = !self.input_modalities.is_empty();
        let modalities = if says_modalities { &self.input_modalities } else { &under.input_modalities };
        Self {
            context_window: self.context_window.or(under.context_window),
            max_output_tokens: self.max_output_tokens.or(under.max_output_tokens),
            supports_tools: self.supports_tools.or(under.supports_tools),
            supports_vision: self.supports_vision.or(under.supports_vision.filter(|_| !says_modalities)),
            supports_documents: self.supports_documents.or(under.supports_documents.filter(|_| !says_modalities)),
            supports_thinking: self.supports_thinking.or(under.supports_thinking),
            supports_structured_output: self.supports_structured_output.or(under.supports_structured_output),
            supports_prefix: self.supports_prefix.or(under.supports_prefix),
            refuses_temperature: self.refuses_temperature.or(under.refuses_temperature),
            input_modalities: modalities.clone(),
            cost_input_per_1m: self.cost_input_per_1m.or(under.cost_input_per_1m),
            cost_output_per_1m: self.cost_output_per_1m.or(under.cost_output_per_1m),
            cost_cache_read_per_1m: self.cost_cache_read_per_1m.or(under.cost_cache_read_per_1m),
            cost_cache_write_per_1m: self.cost_cache_write_per_1m.or(under.cost_cache_write_per_1m),
            cost_cache_write_hour_per_1m: self.cost_cache_write_hour_per_1m.or(under.cost_cache_write_hour_per_1m),
            long_input_tokens: self.long_input_tokens.or(under.long_input_tokens),
            cost_long_input_times: self.cost_long_input_times.or(under.cost_long_input_times),
            cost_long_output_times: self.cost_long_output_times.or(under.cost_long_output_times),
        }
    }

    /// The first price that is no number of zero or more, by its key.
    pub(crate) fn wrong_price(&self) -> Option<&'static str> {
        let prices = [
            ("cost_input_per_1m", self.cost_input_per_1m),
            ("cost_output_per_1m", self.cost_output_per_1m),
            ("cost_cache_read_per_1m", self.cost_cache_read_per_1m),
            ("cost_cache_write_per_1m", self.cost_cache_write_per_1m),
            ("cost_cache_write_hour_per_1m", self.cost_cache_write_hour_per_1m),
            ("cost_long_input_times", self.cost_long_input_times),
            ("cost_long_output_times", self.cost_long_output_times),
        ];
        let is_wrong = |price: f64| !price.is_finite() || price < 0.0;
        prices.into_iter().find(|(_, price)| price.is_some_and(is_wrong)).map(|(key, _)| key)
    }

    /// Whether it takes images, as far as anything tells.
    pub fn takes_images(&self) -> Option<bool> {
        self.supports_vision.or_else(|| self.takes(&["image"]))
    }

    /// Whether it takes documents, as far as anything tells.
    pub fn takes_documents(&self) -> Option<bool> {
        self.supports_documents.or_else(|| self.takes(&["document", "pdf"]))
    }

    /// Whether it takes recordings, as far as anything tells.
    pub fn takes_audio(&self) -> Option<bool> {
        self.takes(&["audio"])
    }

    fn takes(&self, names: &[&str]) -> Option<bool> {
        let modalities = &self.input_modalities;
        (!modalities.is_empty()).then(|| modalities.iter().any(|modality| names.contains(&modality.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{config::Config, provider::ProviderConfig};

    fn facts(table: &str, provider: &str, model: &str) -> ModelFacts {
        Config::parse(table, None).unwrap().providers[provider].facts(model)
    }

    #[test]
    fn the_configuration_overrides_single_facts() {
        let listed = facts("", "anthropic", "claude-haiku-4-5");
        assert_eq!((listed.cost_input_per_1m, listed.max_output_tokens), (Some(1.0), Some(64_000)));
        let table = "[providers.anthropic.models.\"claude-haiku-4-5\"]\ncost_input_per_1m = 7\nsupports_prefix = false";
        let expected = ModelFacts { cost_input_per_1m: Some(7.0), supports_prefix: Some(false), ..listed.clone() };
        for name in ["claude-haiku-4-5", "claude-haiku-4-5-20251001"] {
            assert_eq!(facts(table, "anthropic", name), expected, "{name}");
        }
        let dated =
            format!("{table}\n[providers.anthropic.models.\"claude-haiku-4-5-20251001\"]\ncost_input_per_1m = 8");
        let expected = ModelFacts { cost_input_per_1m: Some(8.0), ..expected };
        assert_eq!(facts(&dated, "anthropic", "claude-haiku-4-5-20251001"), expected, "the asked name comes first");
        assert_eq!(facts("", "anthropic", "claude-unheard-of"), ModelFacts::default());
    }

    #[test]
    fn what_a_model_takes_in_is_said_once() {
        let table = "[providers.openai.models.\"gpt-4o\"]\ninput_modalities = [\"text\"]";
        let known = facts(table, "openai", "gpt-4o");
        assert_eq!((known.takes_images(), known.takes_documents()), (Some(false), Some(false)));
        assert_eq!((known.takes_audio(), known.supports_tools), (Some(false), Some(true)));
    }

    #[test]
    fn another_name_for_the_server_of_a_preset_has_its_models() {
        let own = |url: &str| {
            let table = format!("[providers.mine]\nadapter = \"openai-responses\"\nbase_url = {url:?}");
            facts(&table, "mine", "gpt-4o").cost_input_per_1m
        };
        assert_eq!(own("https://api.openai.com/v1"), Some(2.5));
        for other in ["https://api.openai.com.example/v1", "https://example.com", "http://localhost:11434/v1"] {
            assert_eq!(own(other), None, "{other}");
        }
        let in_code = ProviderConfig::openai("https://api.openai.com").unwrap();
        assert_eq!(in_code.facts("gpt-4o").cost_input_per_1m, Some(2.5));
        assert_eq!(ProviderConfig::openai("http://localhost:1").unwrap().facts("gpt-4o"), ModelFacts::default());
        for local in ["ollama", "vllm", "tgi"] {
            assert_eq!(facts("", local, "gpt-4o"), ModelFacts::default(), "{local}");
        }
    }

    #[test]
    fn hostile_facts_name_their_key() {
        for (line, key, help) in [
            ("cost_input_per_1m = -1", "cost_input_per_1m", "a number, zero or more"),
            ("cost_input_per_1m = nan", "cost_input_per_1m", ""),
            ("cost_long_input_times = inf", "cost_long_input_times", ""),
            ("cost_output_per_1m = \"3\"", "cost_output_per_1m", "a number, zero or more"),
            ("context_window = 0", "context_window", "a whole number above zero"),
            ("long_input_tokens = 1.5", "long_input_tokens", "a whole number above zero"),
            ("supports_prefix = \"yes\"", "supports_prefix", "true or false"),
            ("refuses_temperature = 1", "refuses_temperature", "true or false"),
            ("cost_inputs_per_1m = 3", "cost_inputs_per_1m", "did you mean `cost_input_per_1m`?"),
        ] {
            let table = format!("[providers.openai.models.\"gpt-4o\"]\n{line}");
            let error = Config::parse(&table, None).unwrap_err();
            assert_eq!(error.key.as_deref(), Some(&*format!("providers.openai.models.gpt-4o.{key}")), "{error}");
            assert!(error.help.as_deref().unwrap_or_default().contains(help), "{error}");
        }
    }
}
