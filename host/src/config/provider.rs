//! A provider as the configuration has it: `[providers.NAME]`, merged over the preset of that name.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};
use url::Url;

use crate::{
    chat::{config_error::ConfigError, wire_format::WireFormat},
    config::{
        additions::{self, Addition},
        catalogue,
        defaults::Defaults,
        key::KeySource,
        model_facts::ModelFacts,
        price::Price,
        quirks::Quirks,
        section::Section,
    },
};

/// Host and port, without what else a URL can hold: passwords, for one.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// A named upstream: `[providers.NAME]`.
///
/// ```
/// use arcllm::ProviderConfig;
///
/// let local = ProviderConfig::openai("http://localhost:8080/v1")?.model("tiny");
/// let groq = ProviderConfig::preset("groq")?.key("gsk-…".into()).header("x-team", "blue");
/// # let _ = (local, groq);
/// # Ok::<_, arcllm::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProviderConfig {
    /// Its name in the configuration. Empty until it has one.
    pub name: String,
    /// The wire format that it speaks: `adapter`.
    pub adapter: WireFormat,
    /// Where it is. `http` only for loopback hosts, unless `allow_insecure_http`.
    pub base_url: Url,
    /// Whether `base_url` may send keys and conversations in the clear to another machine.
    pub allow_insecure_http: bool,
    /// Where its key comes from; absent for a provider that needs none.
    pub key: Option<KeySource>,
    /// The header that has the key as its whole value, in lower case: `api_key_header`. Absent is the wire format's own.
    pub key_header: Option<String>,
    /// The most time that reading the key may take: `api_key_timeout_seconds`.
    pub key_timeout: Duration,
    /// The headers that its requests carry besides, by names in lower case: `[providers.NAME.headers]`.
    pub headers: BTreeMap<String, Addition>,
    /// The query parameters that its requests carry: `[providers.NAME.query]`.
    pub query: BTreeMap<String, Addition>,
    /// The model that is asked for unless the caller names one.
    pub default_model: Option<String>,
    /// The most time of one attempt, or until its answer says something if that is streamed: `timeout_seconds`.
    pub timeout: Duration,
    /// The most time until an attempt is connected: `connect_timeout_seconds`.
    pub connect_timeout: Duration,
    /// The most time until a streamed answer says something: `first_event_timeout_seconds`, else `timeout_seconds`.
    pub first_event_timeout: Option<Duration>,
    /// The most silence in a streamed answer that has begun: `idle_timeout_seconds`.
    pub idle_timeout: Duration,
    /// The most bytes of one event of a streamed answer: `max_event_mb`, in binary megabytes.
    pub max_event_bytes: usize,
    /// The most bytes of an answer's body, decompressed: `max_response_mb`, in binary megabytes. What stands around the
    /// pieces of a streamed answer does not count, up to fifteen times as much.
    pub max_response_bytes: usize,
    /// The most tokens of an answer unless the caller says, `defaults.max_tokens` included.
    pub max_tokens: Option<u32>,
    /// The temperature unless the caller says, `defaults.temperature` included.
    pub temperature: Option<f64>,
    /// What the configuration says of its models: `[providers.NAME.models."MODEL"]`. [`facts`](Self::facts) has the rest.
    pub models: BTreeMap<String, ModelFacts>,
    /// The built-in provider whose models it serves.
    pub(crate) serves: Option<String>,
    /// What it does otherwise than its wire format says: `[providers.NAME.quirks]`.
    pub(crate) quirks: Quirks,
    /// Quirks that the program has set and that are not checked yet.
    pub(crate) new_quirks: Map<String, Value>,
    /// `host.repair_history`: whether tool calls without a result get one that says so.
    pub(crate) repair_history: bool,
    /// Whether the program gave it. Then it is trusted, even beside a file that is not.
    pub(crate) is_programs: bool,
}

impl ProviderConfig {
    pub(crate) fn read(name: String, mut section: Section<'_>, defaults: &Defaults) -> Result<Self, ConfigError> {
        const ADAPTERS: &str = "\"anthropic\", \"openai\" or \"openai-responses\"";
        let Some(name_of_adapter) = section.text("adapter")? else {
            return Err(missing(&section, "adapter", ADAPTERS));
        };
        let Some(adapter) = WireFormat::ALL.into_iter().find(|format| format.as_str() == name_of_adapter) else {
            let error = section.error("adapter", format!("is the text {name_of_adapter:?}"));
            return Err(error.help(format!("{ADAPTERS}: the wire format that the provider speaks")));
        };
        let base_url = section.text("base_url")?;
        let base_url =
            base_url.ok_or_else(|| missing(&section, "base_url", "such as \"https://api.example.com/v1\""))?;
        let base_url = parse_url(&base_url).map_err(|(problem, help)| section.error("base_url", problem).help(help))?;
        let allow_insecure_http = section.flag("allow_insecure_http")?.unwrap_or(false);
        check_clear(&base_url, allow_insecure_http)
            .map_err(|(problem, help)| section.error("base_url", problem).help(help))?;
        let bytes = |megabytes: u64| usize::try_from(megabytes.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
        let max_response_bytes = bytes(section.count("max_response_mb")?.unwrap_or(16));
        let max_event_bytes = bytes(section.count("max_event_mb")?.unwrap_or(16));
        let models = section.sections("models")?.into_iter();
        let models = models.map(|(model, section)| Ok((model, ModelFacts::read(section)?)));
        let provider = Self {
            name,
            adapter,
            headers: additions::headers(section.section("headers")?, adapter)?,
            query: additions::query(section.section("query")?, &base_url)?,
            base_url,
            allow_insecure_http,
            key: KeySource::read(&mut section)?,
            key_header: additions::key_header(&mut section, adapter)?,
            key_timeout: section.seconds("api_key_timeout_seconds")?.unwrap_or(Duration::from_secs(30)),
            default_model: section.text("default_model")?,
            timeout: section.seconds("timeout_seconds")?.unwrap_or(Duration::from_secs(300)),
            connect_timeout: section.seconds("connect_timeout_seconds")?.unwrap_or(Duration::from_secs(10)),
            first_event_timeout: section.seconds("first_event_timeout_seconds")?,
            idle_timeout: section.seconds("idle_timeout_seconds")?.unwrap_or(Duration::from_secs(120)),
            max_event_bytes,
            max_response_bytes,
            max_tokens: section.count_u32("max_tokens")?.or(defaults.max_tokens),
            temperature: section.temperature()?.or(defaults.temperature),
            models: models.collect::<Result<_, ConfigError>>()?,
            serves: None,
            quirks: Quirks::read(section.section("quirks")?, Quirks::default())?,
            new_quirks: Map::new(),
            repair_history: false,
            is_programs: false,
        };
        section.finish()?;
        Ok(provider)
    }

    /// What is known of this model: what the configuration says of it, over what is known of the models of built-in providers. A
    /// date behind the name makes no difference: `claude-haiku-4-5-20251001` is `claude-haiku-4-5`.
    pub fn facts(&self, model: &str) -> ModelFacts {
        let own = self.models.get(model);
        let Some((name, listed)) = self.serves.as_deref().and_then(|preset| catalogue::find(preset, model)) else {
            return own.cloned().unwrap_or_default();
        };
        let of_line = self.models.get(name).filter(|_| name != model);
        own.into_iter().chain(of_line).rev().fold(listed.facts.clone(), |under, over| over.over(&under))
    }

    /// Whether this table or the catalogue names this model.
    pub(crate) fn names(&self, model: &str) -> bool {
        let listed = || self.serves.as_deref().and_then(|preset| catalogue::find(preset, model));
        self.default_model.as_deref() == Some(model)
            || self.models.contains_key(model)
            // A name with any date has the facts of a line too.
            || listed().is_some_and(|(name, line)| name == model || line.aliases.iter().any(|alias| alias == model))
    }

    /// The price of this model, if it is known.
    pub fn price(&self, model: &str) -> Option<Price> {
        Price::of(&self.facts(model), Some(self.adapter))
    }

    /// The most tokens of an answer of this model, where the caller does not say.
    pub(crate) fn default_max_tokens(&self, model: &str) -> Option<u32> {
        let ceiling = self.max_output_tokens(model);
        self.max_tokens.map(|tokens| ceiling.map_or(tokens, |ceiling| tokens.min(ceiling)))
    }

    /// The most tokens that this model can answer, if that is known.
    pub(crate) fn max_output_tokens(&self, model: &str) -> Option<u32> {
        let ceiling = self.facts(model).max_output_tokens?;
        Some(u32::try_from(ceiling).unwrap_or(u32::MAX))
    }
}

fn missing(section: &Section<'_>, key: &str, help: &str) -> ConfigError {
    section.error(key, "is missing").help(help)
}

/// The URL, or what is wrong with it and what would be right.
pub(crate) fn parse_url(text: &str) -> Result<Url, (String, &'static str)> {
    let url =
        Url::parse(text).map_err(|error| (format!("is not a URL: {error}"), "such as \"https://api.example.com\""))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err((
            "holds a user name or a password".to_owned(),
            "keys come from api_key_env, api_key_file or api_key_command",
        ));
    }
    match url.scheme() {
        "https" | "http" => Ok(url),
        other => Err((format!("has the scheme {other:?}"), "https (or http for this machine)")),
    }
}

/// Refuses a URL that sends secrets in the clear.
pub(crate) fn check_clear(url: &Url, allow_insecure: bool) -> Result<(), (String, &'static str)> {
    match url.scheme() {
        "https" => Ok(()),
        _ if allow_insecure || is_loopback(url) => Ok(()),
        _ => Err((
            format!("would send keys and conversations to {} in the clear", url.host_str().unwrap_or("that host")),
            "https, or allow_insecure_http = true if that network is yours",
        )),
    }
}

/// Whether the host is this machine, going by the parsed address and not by its text.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
