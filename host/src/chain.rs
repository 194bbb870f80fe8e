//! A chain: modules, outermost first, around an adapter.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Weak},
};

use arc_swap::ArcSwap;
use metrics::Histogram;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::{
    config::{ConfigError, ModelFacts, Overrides, Switch, WireFormat, suggest},
    host::Shared,
    link::Link,
    provider::{Provider, Upstream},
    runtime::{Loader, Module, Place},
};

/// A module that a load puts into the chain.
pub(crate) struct SwitchedOn {
    pub(crate) name: String,
    pub(crate) settings: Map<String, Value>,
}

/// The modules of a chain from some place on, outermost first. All places of a chain share one list.
#[derive(Clone)]
pub(crate) struct Links {
    all: Arc<[Arc<Link>]>,
    from: usize,
    /// Where the chain was loaded. What its modules load later has its connections there, too.
    runtime: Handle,
}

impl Links {
    /// All modules of a chain that is loaded in this Tokio runtime.
    pub(crate) fn new(all: Vec<Arc<Link>>, runtime: Handle) -> Self {
        Self { all: all.into(), from: 0, runtime }
    }

    /// The outermost module, and those inside of it.
    fn split_first(&self) -> Option<(&Arc<Link>, Self)> {
        Some((self.all.get(self.from)?, Self { from: self.from + 1, ..self.clone() }))
    }
}

/// Puts modules around the end of a chain. With none, the end is the chain.
pub(crate) fn wrap(shared: &Weak<Shared>, links: &Links, end: Arc<dyn Provider>) -> Arc<dyn Provider> {
    let Some((outermost, inside)) = links.split_first() else { return end };
    let inner = wrap(shared, &inside, end);
    let place = place(shared, outermost.module.clone(), outermost.own_time.clone(), inner, inside);
    Arc::new(Module { link: outermost.clone(), place })
}

/// The place of a module around its inner. What it loads gets the modules that stand inside of it.
pub(crate) fn place(
    shared: &Weak<Shared>,
    module: Arc<str>,
    own_time: Histogram,
    inner: Arc<dyn Provider>,
    inside: Links,
) -> Arc<Place> {
    let loader = Inside { shared: shared.clone(), module: module.clone(), links: inside, loaded: ArcSwap::default() };
    Arc::new(Place { module, inner, loader: Arc::new(loader), own_time })
}

/// Loads models for a module: other adapters in the modules that stand inside of it. Itself is not among them, so
/// loading cannot recur.
struct Inside {
    /// Not kept: a module that never gives back a handle would keep the host by it, and the host the module.
    shared: Weak<Shared>,
    module: Arc<str>,
    links: Links,
    /// What was loaded before, by provider. A failure is not kept: a key may be set later.
    loaded: ArcSwap<HashMap<String, Arc<dyn Provider>>>,
}

impl Loader for Inside {
    fn load(&self, provider: &str) -> Result<Arc<dyn Provider>, ConfigError> {
        if let Some(loaded) = self.loaded.load().get(provider) {
            return Ok(loaded.clone());
        }
        let gone = || ConfigError::new("the model that is called is not there any more");
        let shared = self.shared.upgrade().ok_or_else(gone)?;
        let _inside = self.links.runtime.enter();
        let upstream = Upstream { loaded_by: Some(self.module.clone()), ..shared.upstream(provider, None)? };
        let chain = wrap(&self.shared, &self.links, Arc::new(upstream));
        self.loaded.rcu(|before| {
            let mut loaded = HashMap::clone(before);
            loaded.insert(provider.to_owned(), chain.clone());
            loaded
        });
        Ok(chain)
    }

    fn facts(&self, provider: &str, model: &str) -> Option<(WireFormat, ModelFacts)> {
        let shared = self.shared.upgrade()?;
        let provider = shared.config.providers.get(provider)?;
        Some((provider.adapter, provider.models.get(model)?.clone()))
    }
}

impl Shared {
    /// The modules that are on, in their order, with their settings.
    pub(crate) fn switched_on(&self, overrides: &Overrides) -> Result<Vec<SwitchedOn>, ConfigError> {
        let config = &self.config;
        let names: BTreeSet<&String> =
            config.modules.keys().chain(overrides.modules.keys()).chain(&config.order).collect();
        let mut on = Vec::new();
        for name in names {
            self.check_exists(name, overrides)?;
            if let Switch::On(settings) = Switch::of(name, config.modules.get(name), overrides.modules.get(name))? {
                let position = config.order.iter().position(|ordered| ordered == name);
                let position = position.ok_or_else(|| self.out_of_order(name))?;
                on.push((position, SwitchedOn { name: name.clone(), settings }));
            }
        }
        on.sort_by_key(|(position, _)| *position);
        Ok(on.into_iter().map(|(_, module)| module).collect())
    }

    fn check_exists(&self, name: &str, overrides: &Overrides) -> Result<(), ConfigError> {
        if self.has_module(name) {
            return Ok(());
        }
        let config = &self.config;
        let problem = format!("there is no module named `{name}`: {}", self.looked_for(name));
        let error = match (config.modules.contains_key(name), overrides.modules.contains_key(name)) {
            (true, _) => config.document.error(Some(&format!("modules.{name}")), problem),
            (false, true) => ConfigError::new(problem).key(format!("modules.{name}")),
            (false, false) => config.document.error(Some("host.order"), problem),
        };
        Err(error.help(suggest(name, self.module_names().iter().map(String::as_str))))
    }

    fn out_of_order(&self, name: &str) -> ConfigError {
        let mut order = self.config.order.clone();
        order.push(name.to_owned());
        let problem = format!("does not say where the module `{name}` stands, which is on");
        let error = self.config.document.error(Some("host.order"), problem);
        error.help(format!("outermost first, such as order = {order:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, host::Host};

    #[tokio::test]
    async fn what_a_module_loads_is_made_once() {
        let config = r#"
            [providers.a]
            adapter = "openai"
            base_url = "http://localhost:1"
            default_model = "m"
        "#;
        let host = Host::builder().config(Config::parse(config, None).unwrap()).build().unwrap();
        let loader = || {
            let end = Arc::new(host.shared.upstream("a", None).unwrap());
            let links = Links::new(Vec::new(), Handle::current());
            place(&Arc::downgrade(&host.shared), "m".into(), crate::telemetry::own_time(&"m".into()), end, links)
        };
        let place = loader();
        let [first, second] = [0; 2].map(|_| place.loader.load("a").unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        assert!(
            !Arc::ptr_eq(&first, &loader().loader.load("a").unwrap()),
            "another place tells of itself in the trail"
        );
        assert!(place.loader.load("b").is_err());
    }
}
