//! Loads models for the modules of a host.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use crate::{
    assembly::upstreams::Upstreams,
    call::upstream::Upstream,
    chat::config_error::ConfigError,
    config::{config::Config, provider::ModelFacts, wire_format::WireFormat},
    runtime::guest::place::ModelLoader,
};

/// Loads models for one module of one chain. The modules around a loaded model are those inside of the module that
/// asks, so loading cannot recur.
pub(crate) struct ModuleModels {
    config: Arc<Config>,
    upstreams: Arc<Upstreams>,
    module: Arc<str>,
    /// The runtime of the load. Connections of later models open there too.
    runtime: Handle,
    /// Loaded models, by provider. Failures are not kept: a key may be set later.
    loaded: ArcSwap<HashMap<String, Arc<Upstream>>>,
}

impl ModuleModels {
    /// The models that this module can load, in the current Tokio runtime.
    pub(crate) fn new(config: Arc<Config>, upstreams: Arc<Upstreams>, module: Arc<str>) -> Self {
        Self { config, upstreams, module, runtime: Handle::current(), loaded: ArcSwap::default() }
    }
}

impl ModelLoader for ModuleModels {
    fn load(&self, provider: &str) -> Result<Arc<Upstream>, ConfigError> {
        if let Some(loaded) = self.loaded.load().get(provider) {
            return Ok(loaded.clone());
        }
        let _inside = self.runtime.enter();
        let end = Upstream { loaded_by: Some(self.module.clone()), ..self.upstreams.target(provider)? };
        let end = Arc::new(end);
        self.loaded.rcu(|before| {
            let mut loaded = HashMap::clone(before);
            loaded.insert(provider.to_owned(), end.clone());
            loaded
        });
        Ok(end)
    }

    fn facts(&self, provider: &str, model: &str) -> Option<(WireFormat, ModelFacts)> {
        let provider = self.config.providers.get(provider)?;
        Some((provider.adapter, provider.models.get(model)?.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly::host::Host;

    #[tokio::test]
    async fn a_module_loads_each_model_once() {
        let config = r#"
            [providers.a]
            adapter = "openai"
            base_url = "http://localhost:1"
            default_model = "m"
        "#;
        let host = Host::builder().config(Config::parse(config, None).unwrap()).build().unwrap();
        let models = || {
            let inner = &host.inner;
            ModuleModels::new(inner.config.clone(), inner.upstreams.clone(), "m".into())
        };
        let one = models();
        let [first, second] = [0; 2].map(|_| one.load("a").unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        let other = models().load("a").unwrap();
        assert!(!Arc::ptr_eq(&first, &other), "another module has its own name in the trail");
        assert!(one.load("b").is_err());
    }
}
