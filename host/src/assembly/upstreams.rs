//! The ends of a host's chains, each made once: an adapter with its key and its connections.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::Value;
use tokio::runtime::{Handle, Id};

use crate::{
    adapter::http::http_adapter::HttpAdapter,
    assembly::host::Shared,
    call::provider::Upstream,
    chat::request::Options,
    config::{error::ConfigError, overrides::Overrides, resolve::ResolvedModel},
    runtime::link::Link,
};

/// The most ends that are known. One that is not is made anew; chains keep theirs.
const MOST: usize = 1024;

/// The ends that were made.
#[derive(Default)]
pub(crate) struct Upstreams(RwLock<HashMap<Key, Upstream>>);

#[derive(PartialEq, Eq, Hash)]
struct Key {
    provider: String,
    model: String,
    /// Tokio's: a connection ends with the one that it was opened in.
    runtime: Option<Id>,
}

impl Upstreams {
    fn get(&self, key: &Key) -> Option<Upstream> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn add(&self, key: Key, upstream: Upstream) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            // A program that makes up models, or makes a runtime for each call, would have as many.
            known.clear();
        }
        known.insert(key, upstream);
    }
}

impl Shared {
    /// The end of a chain in the current Tokio runtime: this provider's adapter for this model, or for the provider's
    /// own. Its key is looked for when it is asked for the first time. A failure is not kept: a key may be set later.
    pub(crate) fn upstream(&self, name: &str, model: Option<&str>) -> Result<Upstream, ConfigError> {
        let runtime = Handle::try_current().ok().map(|runtime| runtime.id());
        let key = Key { provider: name.to_owned(), model: self.model_of(name, model)?, runtime };
        if let Some(upstream) = self.upstreams.get(&key) {
            return Ok(upstream);
        }
        let upstream = self.make_upstream(name, model)?;
        self.upstreams.add(key, upstream.clone());
        Ok(upstream)
    }

    /// The end of a chain that a module loads by this name, which is what [`Host::load_model`](crate::Host::load_model)
    /// takes. What `[models.NAME]` says of modules does not count: those inside of the module stay as they are.
    pub(crate) fn target(&self, name: &str) -> Result<Upstream, ConfigError> {
        let ResolvedModel { provider, options, overrides } = self.resolve(name, &Overrides::new())?;
        let options = (options != Options::default()).then(|| Arc::new(options));
        Ok(Upstream { options, ..self.upstream(&provider, overrides.model.as_deref())? })
    }

    /// Makes the ends that these modules can load by their settings, so that no call has to: for one, it would load the
    /// system's certificates. What is missing now, such as a key, is looked for again when a module asks for it.
    pub(crate) fn make_ready(&self, links: &[Arc<Link>]) {
        let mut names = BTreeSet::new();
        for (key, value) in links.iter().flat_map(|link| &link.settings) {
            self.find_providers(key, value, &mut names);
        }
        for name in names {
            if let Err(error) = self.target(name) {
                tracing::debug!(provider = name, "not ready to be loaded by a module: {error}");
                let provider = self.resolve(name, &Overrides::new()).map(|resolved| resolved.provider);
                if let Some(provider) = provider.ok().and_then(|provider| self.config.providers.get(&provider)) {
                    HttpAdapter::make_client_ready(provider);
                }
            }
        }
    }

    /// The providers that a setting names. A text that only looks like one does no harm.
    pub(crate) fn find_providers<'a>(&self, key: &'a str, value: &'a Value, names: &mut BTreeSet<&'a str>) {
        match value {
            Value::String(text) => names.extend(self.provider_of_name(text)),
            Value::Array(items) => items.iter().for_each(|item| self.find_providers("", item, names)),
            Value::Object(fields) => fields.iter().for_each(|(key, field)| self.find_providers(key, field, names)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        names.extend(self.provider_of_name(key));
    }

    fn provider_of_name<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.resolve(text, &Overrides::new()).is_ok().then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        assembly::host::Host,
        config::{config::Config, overrides::Overrides},
    };

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
        let upstream = |model| host.shared.upstream("a", model).unwrap().adapter;
        assert!(Arc::ptr_eq(&upstream(None), &upstream(Some("m"))));
        assert!(!Arc::ptr_eq(&upstream(None), &upstream(Some("other"))));
    }

    #[test]
    fn another_runtime_has_connections_of_its_own() {
        let host = host(TWO);
        let upstream = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _inside = runtime.enter();
            (host.shared.upstream("a", None).unwrap().adapter, runtime)
        };
        let ((one, _one), (other, _other)) = (upstream(), upstream());
        assert!(!Arc::ptr_eq(&one, &other));
    }

    #[tokio::test]
    async fn a_program_that_makes_up_models_does_not_fill_the_memory() {
        let host = host(TWO);
        for number in 0..2 * MOST {
            host.shared.upstream("a", Some(&number.to_string())).unwrap();
        }
        assert!(host.shared.upstreams.0.read().unwrap().len() <= MOST);
    }

    #[tokio::test]
    async fn what_a_module_may_load_is_ready_and_a_missing_key_is_looked_for_again() {
        let host = host(TWO);
        host.load_model("a", Overrides::new()).await.unwrap();
        let wait = Duration::from_secs_f64(12.345678);
        assert!(crate::adapter::http::client::has_client(wait), "the certificates are not loaded when it is asked");
        assert!(host.shared.upstream("far", None).is_err());
        let known = host.shared.upstreams.0.read().unwrap();
        assert!(known.keys().all(|key| key.provider == "a"), "a failure is not kept");
    }
}
