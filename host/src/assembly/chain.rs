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
    assembly::host::Shared,
    call::{
        clock,
        provider::{Provider, Upstream},
    },
    config::{
        error::{ConfigError, suggest},
        overrides::{Overrides, Switched},
        provider::ModelFacts,
        wire_format::WireFormat,
    },
    runtime::{
        guest::{
            additions::MayAdd,
            handles::{Loader, Place},
        },
        link::Link,
        module::Module,
    },
};

/// A module that a load puts into the chain.
pub(crate) struct SwitchedOn {
    pub(crate) name: String,
    pub(crate) settings: Map<String, Value>,
}

/// The modules of a chain from some place on, outermost first. Places share what stands inside of them. None knows its own
/// module, so that an instance, by way of the calls that it serves, never holds itself.
#[derive(Clone)]
pub(crate) struct Links {
    outermost: Option<Arc<Stop>>,
    /// Where the chain was loaded. What its modules load later has its connections there, too.
    runtime: Handle,
}

struct Stop {
    link: Arc<Link>,
    inside: Option<Arc<Stop>>,
}

impl Links {
    /// All modules of a chain that is loaded in this Tokio runtime.
    pub(crate) fn new(all: Vec<Arc<Link>>, runtime: Handle) -> Self {
        let around = |inside, link| Some(Arc::new(Stop { link, inside }));
        Self { outermost: all.into_iter().rev().fold(None, around), runtime }
    }

    /// The outermost module, and those inside of it.
    fn split_first(&self) -> Option<(&Arc<Link>, Self)> {
        let Stop { link, inside } = self.outermost.as_deref()?;
        Some((link, Self { outermost: inside.clone(), runtime: self.runtime.clone() }))
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
    // The host is there: it is what loads.
    let loading = shared.upgrade();
    let sandbox = loading.as_ref().and_then(|shared| shared.config.modules.get(&*module)).map(|module| &module.sandbox);
    let may_add = MayAdd::of(sandbox);
    let clock = loading.as_ref().map_or_else(clock::system, |shared| shared.clock.clone());
    let loader = Inside { shared: shared.clone(), module: module.clone(), links: inside, loaded: ArcSwap::default() };
    Arc::new(Place { module, inner, loader: Arc::new(loader), may_add, clock, own_time })
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
        let upstream = Upstream { loaded_by: Some(self.module.clone()), ..shared.target(provider)? };
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
            if let Switched::On(settings) = Switched::of(name, config.modules.get(name), overrides.modules.get(name))? {
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
    use crate::{
        assembly::host::Host,
        config::{config::Config, sandbox::OnTrap},
        runtime::{guest::component::Origin, link::Current},
    };

    /// It would wait for itself where the last call of an instance drops it.
    #[tokio::test]
    async fn a_place_does_not_hold_its_own_module() {
        let config = "providers.ollama.default_model = \"m\"\nproviders.vllm.default_model = \"m\"";
        let host = Host::builder().config(Config::parse(config, None).unwrap()).build().unwrap();
        let upstream = |name: &str| Arc::new(host.shared.upstream(name, None).unwrap());
        let link = |name: &str| {
            let current = Current::Removed { origin: Origin::BuiltIn, on_trap: OnTrap::Fail };
            Arc::new(Link::new(name, Map::new(), None, current))
        };
        let all = vec![link("outer"), link("own"), link("inner")];
        let held: Vec<Weak<Link>> = all.iter().map(Arc::downgrade).collect();
        let links = Links::new(all, Handle::current());
        let inside = links.split_first().unwrap().1.split_first().unwrap().1;
        let own_time = crate::telemetry::meters::own_time(&"own".into());
        let place = place(&Arc::downgrade(&host.shared), "own".into(), own_time, upstream("ollama"), inside);
        drop(links);
        place.loader.load("vllm").unwrap();
        let is_held: Vec<bool> = held.iter().map(|link| link.strong_count() > 0).collect();
        assert_eq!(is_held, [false, false, true]);
    }

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
            place(
                &Arc::downgrade(&host.shared),
                "m".into(),
                crate::telemetry::meters::own_time(&"m".into()),
                end,
                links,
            )
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
