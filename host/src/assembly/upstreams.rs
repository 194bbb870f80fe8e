//! The ends of a host's chains, each made once: an adapter with its key and its connections.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::Value;
use tokio::runtime::{Handle, Id};

use crate::{
    adapter::{adapter::Adapter, http::http_adapter::HttpAdapter},
    assembly::key_ring::KeyRing,
    call::upstream::Upstream,
    chat::{config_error::ConfigError, options::Options},
    config::{
        config::Config, known_model::KnownModel, model::ModelConfig, overrides::Overrides, provider::ProviderConfig,
        resolve::ResolvedModel, suggest::suggest,
    },
    runtime::slot::Slot,
};

/// The most ends that are kept. Another one is made anew each time, and chains keep theirs.
const MOST: usize = 1024;

/// The ends of a host's chains.
pub(crate) struct Upstreams {
    pub(crate) config: Arc<Config>,
    /// The adapters of the program's own, with their models.
    adapters: BTreeMap<String, (String, Arc<dyn Adapter>)>,
    pub(crate) keys: KeyRing,
    /// The client that the program gave.
    http_client: Option<reqwest::Client>,
    made: RwLock<HashMap<UpstreamKey, Arc<Upstream>>>,
}

#[derive(PartialEq, Eq, Hash)]
struct UpstreamKey {
    provider: String,
    model: String,
    /// A connection ends with the Tokio runtime that it was opened in.
    runtime: Option<Id>,
}

impl Upstreams {
    /// The ends of this configuration, and of these adapters of the program's own.
    pub(crate) fn new(
        config: Arc<Config>,
        adapters: BTreeMap<String, (String, Arc<dyn Adapter>)>,
        keys: KeyRing,
        http_client: Option<reqwest::Client>,
    ) -> Self {
        Self { config, adapters, keys, http_client, made: RwLock::default() }
    }

    /// The end of a chain in the current Tokio runtime: this provider's adapter for this model, or for the provider's default
    /// model. Its key is looked up when it is first asked for. A failure is not kept: a key may be set later.
    ///
    /// # Errors
    ///
    /// Where the provider is unknown or not trusted, or has no model or no key.
    pub(crate) fn get(&self, provider: &str, model: Option<&str>) -> Result<Arc<Upstream>, ConfigError> {
        let runtime = Handle::try_current().ok().map(|runtime| runtime.id());
        let key = UpstreamKey { provider: provider.to_owned(), model: self.model_of(provider, model)?, runtime };
        if let Some(upstream) = self.made.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(upstream.clone());
        }
        let upstream = Arc::new(self.make(provider, key.model.clone())?);
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= MOST {
            // A program that makes up models, or makes a runtime for each call, would fill the memory.
            made.clear();
        }
        made.insert(key, upstream.clone());
        Ok(upstream)
    }

    fn make(&self, name: &str, model: String) -> Result<Upstream, ConfigError> {
        let (adapter, price): (Arc<dyn Adapter>, _) = match self.adapters.get(name) {
            Some((_, adapter)) => (adapter.clone(), None),
            None => {
                let provider = self.provider(name)?;
                let access = Some(self.keys.access(provider)?);
                let provider = &ProviderConfig { repair_history: self.config.repair_history, ..provider.clone() };
                let adapter = match self.http_client.clone() {
                    Some(client) => HttpAdapter::with_client(client, provider, model.clone(), access),
                    None => HttpAdapter::new(provider, model.clone(), access),
                };
                let wrong = |problem: String| self.config.provider_error(provider, "base_url", problem);
                (Arc::new(adapter.map_err(|problem| wrong(problem.to_string()))?), provider.price(&model))
            }
        };
        Ok(Upstream { price, ..Upstream::new(name, model, adapter) })
    }

    /// The model that this provider is asked for, unless `model` says another.
    ///
    /// # Errors
    ///
    /// Where the provider is unknown, or no model is named.
    pub(crate) fn model_of(&self, name: &str, model: Option<&str>) -> Result<String, ConfigError> {
        let default = match self.adapters.get(name) {
            Some((default, _)) => Some(default),
            None => self.provider(name)?.default_model.as_ref(),
        };
        let model = model.or(default.map(String::as_str)).filter(|model| !model.is_empty());
        model.map(str::to_owned).ok_or_else(|| {
            let key = format!("providers.{name}.default_model");
            let error = self.config.document.error(Some(&key), "is missing, and no model was asked for");
            error.help(format!("set it, or ask for a model: `{name}/MODEL`"))
        })
    }

    /// Whether the configuration, the program or the catalogue names this model of this provider.
    pub(crate) fn names(&self, provider: &str, model: &str) -> bool {
        let asks = |named: &ModelConfig| named.provider == provider && named.model.as_deref() == Some(model);
        self.adapters.get(provider).is_some_and(|(default, _)| default == model)
            || self.config.providers.get(provider).is_some_and(|provider| provider.names(model))
            || self.config.models.values().any(asks)
    }

    fn provider(&self, name: &str) -> Result<&ProviderConfig, ConfigError> {
        self.config.providers.get(name).ok_or_else(|| {
            let mut error = ConfigError::new(format!("there is no provider named `{name}`"));
            error.file.clone_from(&self.config.file);
            error.help(suggest(name, self.providers()))
        })
    }

    /// Whether the program has an adapter of its own for this provider.
    pub(crate) fn has_adapter(&self, provider: &str) -> bool {
        self.adapters.contains_key(provider)
    }

    /// Whether there is a provider of this name.
    pub(crate) fn has(&self, provider: &str) -> bool {
        self.has_adapter(provider) || self.config.providers.contains_key(provider)
    }

    /// The names of all providers.
    pub(crate) fn providers(&self) -> impl Iterator<Item = &str> {
        self.config.providers.keys().chain(self.adapters.keys()).map(String::as_str)
    }

    /// What a name stands for that a program or a module loads.
    pub(crate) fn resolve(&self, name: &str, overrides: &Overrides) -> Result<ResolvedModel, ConfigError> {
        self.config.resolve(name, self.adapters.keys().map(String::as_str), overrides)
    }

    /// The end of a chain that a module loads by this name: any name that [`Host::load_model`](crate::Host::load_model) takes.
    /// What `[models.NAME]` says of modules does not count: the modules inside of the one that asks stay as they are.
    pub(crate) fn target(&self, name: &str) -> Result<Upstream, ConfigError> {
        let ResolvedModel { provider, options, overrides } = self.resolve(name, &Overrides::new())?;
        let options = (options != Options::default()).then(|| Arc::new(options));
        let target = self.config.providers.get(&provider).filter(|_| !self.has_adapter(&provider));
        let target = target.map(|provider| Arc::new(provider.clone()));
        Ok(Upstream { options, target, ..(*self.get(&provider, overrides.model.as_deref())?).clone() })
    }

    /// Whether one of the names in `scope` stands for what `name` loads: the same name, its provider, or the same model of
    /// the same provider.
    pub(crate) fn is_within(&self, scope: &[String], name: &str) -> bool {
        let Ok(ResolvedModel { provider, overrides, .. }) = self.resolve(name, &Overrides::new()) else { return false };
        let model = self.model_of(&provider, overrides.model.as_deref()).ok();
        scope.iter().any(|one| {
            if one == name || *one == provider {
                return true;
            }
            let is_alias = self.config.models.contains_key(one);
            let Ok(other) = self.resolve(one, &Overrides::new()) else { return false };
            let other_model = self.model_of(&other.provider, other.overrides.model.as_deref()).ok();
            !is_alias && other.provider == provider && model.is_some() && other_model == model && !self.has(one)
        })
    }

    /// What is known of the model of this name. `None` if there is none.
    pub(crate) fn known(&self, name: &str) -> Option<KnownModel> {
        let ResolvedModel { provider, overrides, .. } = self.resolve(name, &Overrides::new()).ok()?;
        let model = self.model_of(&provider, overrides.model.as_deref()).ok()?;
        let known = self.config.providers.get(&provider).filter(|_| !self.has_adapter(&provider));
        let facts = known.map(|known| known.facts(&model)).unwrap_or_default();
        Some(KnownModel { name: name.to_owned(), provider, model, format: known.map(|known| known.adapter), facts })
    }

    /// What can be loaded by name: the models of `[models]`, the default model of each provider, and the models that a provider's
    /// table names. Leaves out providers without a key.
    pub(crate) fn list(&self) -> Vec<KnownModel> {
        let providers = self.config.providers.values().filter(|provider| self.keys.missing(provider).is_empty());
        let providers: Vec<&ProviderConfig> = providers.collect();
        let has = |name: &str| self.has_adapter(name) || providers.iter().any(|provider| provider.name == name);
        let named = self.config.models.iter().filter(|(_, model)| has(&model.provider)).map(|(name, _)| name.clone());
        let added = self.adapters.keys().filter(|name| !providers.iter().any(|known| known.name == **name)).cloned();
        let of = |provider: &&ProviderConfig| {
            let tables = provider.models.keys().filter(|model| provider.default_model.as_ref() != Some(*model));
            let tables = tables.map(|model| format!("{}/{model}", provider.name));
            std::iter::once(provider.name.clone()).chain(tables).collect::<Vec<_>>()
        };
        let names = named.chain(providers.iter().flat_map(of)).chain(added);
        names.filter_map(|name| self.known(&name)).collect()
    }

    /// Makes the ends that these modules name in their settings, so that no call has to: one of them may load the system's
    /// certificates. What is missing now, such as a key, is looked for again when a module asks for it.
    pub(crate) fn prepare(&self, modules: &[Arc<Slot>]) {
        let mut names = BTreeSet::new();
        for (key, value) in modules.iter().flat_map(|slot| &slot.settings) {
            self.find_models(key, value, &mut names);
        }
        for name in names {
            if let Err(error) = self.target(name) {
                tracing::debug!(provider = name, "a module cannot load this model yet: {error}");
                let provider = self.resolve(name, &Overrides::new()).map(|resolved| resolved.provider);
                if let Some(provider) = provider.ok().and_then(|provider| self.config.providers.get(&provider)) {
                    HttpAdapter::make_client_ready(provider);
                }
            }
        }
    }

    /// The models that a setting names. A text that only looks like one does no harm.
    pub(crate) fn find_models<'a>(&self, key: &'a str, value: &'a Value, names: &mut BTreeSet<&'a str>) {
        match value {
            Value::String(text) => names.extend(self.model_of_name(text)),
            Value::Array(items) => items.iter().for_each(|item| self.find_models("", item, names)),
            Value::Object(fields) => fields.iter().for_each(|(key, field)| self.find_models(key, field, names)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        names.extend(self.model_of_name(key));
    }

    /// The providers that the configuration names and that have no key, each with what is missing.
    pub(crate) fn without_key(&self) -> BTreeMap<String, ConfigError> {
        let named = self.config.providers.values();
        let named = named.filter(|provider| self.config.is_configured(provider) && !self.has_adapter(&provider.name));
        named.filter_map(|provider| Some((provider.name.clone(), self.keys.missing(provider).pop()?))).collect()
    }

    fn model_of_name<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.resolve(text, &Overrides::new()).is_ok().then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{assembly::host::Host, config::overrides::Overrides};

    fn host(config: &str) -> Host {
        Host::builder().config(Config::parse(config, None).unwrap()).build().unwrap()
    }

    const TWO: &str = r#"
        [providers.a]
        adapter = "openai"
        base_url = "http://localhost:1"
        default_model = "m"

        [providers.far]
        adapter = "openai"
        base_url = "https://far.example"
        default_model = "m"
        api_key_env = "ARCLLM_TEST_NO_SUCH_KEY"
        connect_timeout_seconds = 12.345678

        [modules.fallback]
        enabled = true
        chain = ["a", "far"]
    "#;

    #[tokio::test]
    async fn an_adapter_is_made_once_for_each_model() {
        let host = host(TWO);
        let upstream = |model| host.inner.upstreams.get("a", model).unwrap();
        assert!(Arc::ptr_eq(&upstream(None), &upstream(Some("m"))));
        assert!(!Arc::ptr_eq(&upstream(None), &upstream(Some("other"))));
    }

    #[test]
    fn another_runtime_has_connections_of_its_own() {
        let host = host(TWO);
        let upstream = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _inside = runtime.enter();
            (host.inner.upstreams.get("a", None).unwrap(), runtime)
        };
        let ((one, _one), (other, _other)) = (upstream(), upstream());
        assert!(!Arc::ptr_eq(&one, &other));
    }

    #[tokio::test]
    async fn a_program_that_makes_up_models_does_not_fill_the_memory() {
        let host = host(TWO);
        for number in 0..2 * MOST {
            host.inner.upstreams.get("a", Some(&number.to_string())).unwrap();
        }
        assert!(host.inner.upstreams.made.read().unwrap().len() <= MOST);
    }

    #[tokio::test]
    async fn what_a_module_may_load_is_ready_and_a_missing_key_is_looked_for_again() {
        let host = host(TWO);
        host.load_model("a", Overrides::new()).await.unwrap();
        let wait = Duration::from_secs_f64(12.345678);
        assert!(crate::adapter::http::client::has_client(wait), "a call would load the certificates");
        assert!(host.inner.upstreams.get("far", None).is_err());
        let made = host.inner.upstreams.made.read().unwrap();
        assert!(made.keys().all(|key| key.provider == "a"), "a failure is not kept");
    }
}
