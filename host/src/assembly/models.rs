//! Loads models for the modules of a host.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use crate::{
    assembly::upstreams::Upstreams,
    call::upstream::Upstream,
    chat::config_error::ConfigError,
    config::{
        grant::{MODELS, Scope},
        known_model::KnownModel,
    },
    runtime::guest::place::ModelLoader,
};

/// Loads models for one module of one chain. The modules around a loaded model are those inside of the module that
/// asks, so loading cannot recur.
pub(crate) struct ModuleModels {
    upstreams: Arc<Upstreams>,
    module: Arc<str>,
    /// The names that it may load. Absent if it may load any.
    scope: Option<Vec<String>>,
    /// The runtime of the load. Connections of later models open there too.
    runtime: Handle,
    /// Loaded models, by name. Failures are not kept: a key may be set later.
    loaded: ArcSwap<HashMap<String, Arc<Upstream>>>,
    /// What can be loaded, once a module has asked.
    known: OnceLock<Arc<[KnownModel]>>,
}

/// The most models that are kept. Another one is made anew each time.
const MOST: usize = 256;

impl ModuleModels {
    /// The models that this module can load, in the current Tokio runtime.
    pub(crate) fn new(upstreams: Arc<Upstreams>, module: Arc<str>) -> Self {
        let grant = upstreams.config.modules.get(&*module).and_then(|module| module.sandbox.grant(MODELS));
        let scope = grant.and_then(|grant| match &grant.scope {
            Some(Scope::Models(names)) => Some(names.clone()),
            _ => None,
        });
        let (loaded, known) = Default::default();
        Self { upstreams, module, scope, runtime: Handle::current(), loaded, known }
    }

    /// Refuses a name outside of the module's scope.
    fn check_scope(&self, name: &str) -> Result<(), ConfigError> {
        let Some(scope) = self.scope.as_ref().filter(|scope| !self.upstreams.is_within(scope, name)) else {
            return Ok(());
        };
        let key = format!("modules.{}.sandbox.allow", self.module);
        let problem = format!("does not let the module load `{name}`: it may load {}", scope.join(", "));
        let error = self.upstreams.config.document.error(Some(&key), problem);
        Err(error.help("add the name to the scope of `models`, if the module may send conversations there"))
    }
}

impl ModelLoader for ModuleModels {
    fn load(&self, name: &str) -> Result<Arc<Upstream>, ConfigError> {
        if let Some(loaded) = self.loaded.load().get(name) {
            return Ok(loaded.clone());
        }
        self.check_scope(name)?;
        let _inside = self.runtime.enter();
        let end = Upstream { loaded_by: Some(self.module.clone()), ..self.upstreams.target(name)? };
        let end = Arc::new(end);
        self.loaded.rcu(|before| {
            let mut loaded = HashMap::clone(before);
            if loaded.len() >= MOST {
                // A module that makes up names would fill the memory.
                loaded.clear();
            }
            loaded.insert(name.to_owned(), end.clone());
            loaded
        });
        Ok(end)
    }

    fn facts(&self, name: &str) -> Option<KnownModel> {
        self.upstreams.known(name)
    }

    fn list(&self) -> Arc<[KnownModel]> {
        let may_load =
            |model: &KnownModel| self.scope.as_ref().is_none_or(|scope| self.upstreams.is_within(scope, &model.name));
        self.known.get_or_init(|| self.upstreams.list().into_iter().filter(may_load).collect()).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assembly::host::Host, config::config::Config};

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
            ModuleModels::new(inner.upstreams.clone(), "m".into())
        };
        let one = models();
        let [first, second] = [0; 2].map(|_| one.load("a").unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        let other = models().load("a").unwrap();
        assert!(!Arc::ptr_eq(&first, &other), "another module has its own name in the trail");
        assert!(one.load("b").is_err());
    }
}
