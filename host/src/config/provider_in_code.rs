//! A provider that a program writes in code.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use crate::{
    chat::{config_error::ConfigError, options::Options, setters::setters, wire_format::WireFormat},
    config::{
        additions::{self, Addition},
        document::{Document, join},
        key::{KeySource, is_variable},
        model_facts::ModelFacts,
        presets::PRESETS,
        provider::{ProviderConfig, check_clear, is_loopback, parse_url},
        quirks::Quirks,
        section::Section,
        suggest::suggest,
    },
};

impl ProviderConfig {
    /// A provider at this address that speaks this wire format, with no key, no model and the default limits.
    ///
    /// # Errors
    ///
    /// If `base_url` is not an `https` or `http` URL.
    pub fn new(adapter: WireFormat, base_url: &str) -> Result<Self, ConfigError> {
        let wrong = |(problem, help): (String, &str)| ConfigError::new(problem).key("base_url").help(help);
        let base_url = parse_url(base_url).map_err(wrong)?;
        let preset = preset_of(&base_url);
        Ok(Self {
            name: String::new(),
            adapter,
            quirks: preset.map(|preset| quirks_of(preset, adapter)).unwrap_or_default(),
            serves: preset.map(|preset| preset.name.clone()),
            base_url,
            allow_insecure_http: false,
            key: None,
            key_header: None,
            key_timeout: Duration::from_secs(30),
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            default_model: None,
            timeout: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(10),
            first_event_timeout: None,
            idle_timeout: Duration::from_secs(120),
            max_event_bytes: 16 << 20,
            max_response_bytes: 16 << 20,
            max_tokens: None,
            temperature: None,
            models: BTreeMap::new(),
            new_quirks: Map::new(),
            repair_history: false,
            is_programs: false,
        })
    }

    /// A provider at this address that speaks OpenAI Chat Completions, such as a local server.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn openai(base_url: &str) -> Result<Self, ConfigError> {
        Self::new(WireFormat::OpenAi, base_url)
    }

    /// Anthropic itself: the preset `anthropic`, with its address, model and key variable. For another address that speaks
    /// its format see [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// None that a caller can cause.
    pub fn anthropic() -> Result<Self, ConfigError> {
        Self::preset("anthropic")
    }

    /// A built-in provider, such as `"groq"` or `"ollama"`, to be changed.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub fn preset(name: &str) -> Result<Self, ConfigError> {
        let unknown = || {
            let error = ConfigError::new(format!("unknown built-in provider `{name}`"));
            error.help(suggest(name, PRESETS.keys().map(String::as_str)))
        };
        PRESETS.get(name).cloned().ok_or_else(unknown)
    }

    setters! {
        allow_insecure_http: bool,
        timeout: Duration,
        connect_timeout: Duration,
        first_event_timeout: Duration,
        idle_timeout: Duration,
        key_timeout: Duration,
        max_event_bytes: usize,
        max_response_bytes: usize,
        max_tokens: u32,
        temperature: f64,
    }

    /// Sets `default_model`: the model that is asked for unless a load names one.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.default_model = Some(model.into());
        self
    }

    /// Sends this key. `Debug` hides it, and modules never see it. A key from elsewhere, such as a vault, comes from
    /// [`HostBuilder::key_resolver`](crate::HostBuilder::key_resolver).
    #[must_use]
    pub fn key(mut self, key: SecretString) -> Self {
        self.key = Some(KeySource::Secret(key));
        self
    }

    /// Sends the key in this environment variable, as it is when a model is loaded.
    #[must_use]
    pub fn key_env(mut self, variable: impl Into<String>) -> Self {
        self.key = Some(KeySource::Env(variable.into()));
        self
    }

    /// Sends the key as the whole value of this header, instead of the header of the wire format.
    #[must_use]
    pub fn key_header(mut self, name: impl Into<String>) -> Self {
        self.key_header = Some(name.into());
        self
    }

    /// Adds a header to all requests. The value is a text, or [`Addition::Env`] for what is in an environment variable.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Addition>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Adds a query parameter to all requests.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<Addition>) -> Self {
        self.query.insert(name.into(), value.into());
        self
    }

    /// Sets what it does otherwise than its wire format says: a key of `[providers.NAME.quirks]`, such as `tool_id`. It is
    /// checked when the provider gets its name.
    #[must_use]
    pub fn quirk(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.new_quirks.insert(key.into(), value.into());
        self
    }

    /// Adds what is known of one of its models.
    #[must_use]
    pub fn model_facts(mut self, model: impl Into<String>, facts: ModelFacts) -> Self {
        self.models.insert(model.into(), facts);
        self
    }

    /// The same under this name, with the checks that a table in a file gets.
    pub(crate) fn named(mut self, name: String) -> Result<Self, ConfigError> {
        let table = join("providers", &name);
        let error = |key: &str, problem: &str| ConfigError::new(problem).key(format!("{table}.{key}"));
        if name.is_empty() || name.contains(char::is_control) {
            return Err(ConfigError::new("the name of a provider is empty or has control characters"));
        }
        check_clear(&self.base_url, self.allow_insecure_http)
            .map_err(|(problem, help)| error("base_url", &problem).help(help))?;
        if matches!(&self.key, Some(KeySource::Env(variable)) if !is_variable(variable)) {
            let error = error("api_key_env", "is not the name of an environment variable");
            return Err(error.help("the name of the variable that holds the key; a key itself goes into `key`"));
        }
        let document = Document::default();
        let section = |key: &str, values| Section::new(&document, format!("{table}.{key}"), values);
        self.headers = additions::headers(section("headers", json(&self.headers)), self.adapter)?;
        self.query = additions::query(section("query", json(&self.query)), &self.base_url)?;
        self.quirks = Quirks::read(section("quirks", std::mem::take(&mut self.new_quirks)), self.quirks)?;
        let key_header = self.key_header.map(|name| ("api_key_header".to_owned(), name.into()));
        let mut own = Section::new(&document, table.as_str(), key_header.into_iter().collect());
        self.key_header = additions::key_header(&mut own, self.adapter)?;
        let is_wrong = [
            ("timeout_seconds", self.timeout.is_zero()),
            ("connect_timeout_seconds", self.connect_timeout.is_zero()),
            ("first_event_timeout_seconds", self.first_event_timeout.is_some_and(|limit| limit.is_zero())),
            ("idle_timeout_seconds", self.idle_timeout.is_zero()),
            ("api_key_timeout_seconds", self.key_timeout.is_zero()),
            ("max_event_mb", self.max_event_bytes == 0),
            ("max_response_mb", self.max_response_bytes == 0),
            ("max_tokens", self.max_tokens == Some(0)),
            ("temperature", self.temperature.is_some_and(|number| !Options::TEMPERATURES.contains(&number))),
        ];
        if let Some((key, _)) = is_wrong.into_iter().find(|(_, is_wrong)| *is_wrong) {
            let help = if key == "temperature" { Options::TEMPERATURES_IN_WORDS } else { "a number above zero" };
            return Err(error(key, "is out of range").help(help));
        }
        let wrong_price = |(model, facts): (&String, &ModelFacts)| Some((model.clone(), facts.wrong_price()?));
        if let Some((model, key)) = self.models.iter().find_map(wrong_price) {
            let error = error(&format!("models.{model:?}.{key}"), "is out of range");
            return Err(error.help("a number, zero or more"));
        }
        Ok(Self { name, is_programs: true, ..self })
    }
}

/// The preset that has this server.
fn preset_of(base_url: &Url) -> Option<&'static ProviderConfig> {
    PRESETS.values().find(|preset| !is_loopback(base_url) && preset.base_url.host() == base_url.host())
}

/// The quirks of the preset with the same server. What a server refuses in one format it may take in another.
fn quirks_of(preset: &ProviderConfig, adapter: WireFormat) -> Quirks {
    let refuses = preset.quirks.refuses.clone().filter(|_| preset.adapter == adapter);
    Quirks { refuses, ..preset.quirks.clone() }
}

fn json(additions: &BTreeMap<String, Addition>) -> Map<String, Value> {
    additions.iter().map(|(name, addition)| (name.clone(), addition.to_json())).collect()
}

#[cfg(test)]
mod tests;
