//! A chain: modules, outermost first, around an adapter.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
};

use serde_json::{Map, Value};

use crate::{
    config::{ConfigError, ModelFacts, Overrides, Switch, WireFormat, suggest},
    host::Shared,
    link::Link,
    provider::{Provider, Upstream},
    runtime::{Loader, MayAdd, Module, Place},
    telemetry,
};

/// A module that a load puts into the chain.
pub(crate) struct SwitchedOn {
    pub(crate) name: String,
    pub(crate) settings: Map<String, Value>,
}

/// Puts modules around the end of a chain. With none, the end is the chain.
pub(crate) fn wrap(shared: &Arc<Shared>, links: &[Arc<Link>], end: Arc<dyn Provider>) -> Arc<dyn Provider> {
    let Some((outermost, inside)) = links.split_first() else { return end };
    let inner = wrap(shared, inside, end);
    Arc::new(Module { link: outermost.clone(), place: place(shared, outermost.module.clone(), inner, inside) })
}

/// The place of a module around its inner. What it loads gets the modules that stand inside of it.
pub(crate) fn place(
    shared: &Arc<Shared>,
    module: Arc<str>,
    inner: Arc<dyn Provider>,
    inside: &[Arc<Link>],
) -> Arc<Place> {
    let loader = Inside { shared: Arc::downgrade(shared), module: module.clone(), links: inside.to_vec() };
    let own_time = telemetry::own_time(&module);
    let may_add = MayAdd::of(shared.config.modules.get(&*module).map(|module| &module.sandbox));
    Arc::new(Place { module, inner, loader: Arc::new(loader), may_add, clock: shared.clock.clone(), own_time })
}

/// Loads models for a module: other adapters in the modules that stand inside of it. Itself is not among them, so
/// loading cannot recur.
struct Inside {
    /// Not kept: a module that never gives back a handle would keep the host by it, and the host the module.
    shared: Weak<Shared>,
    module: Arc<str>,
    links: Vec<Arc<Link>>,
}

impl Loader for Inside {
    fn load(&self, provider: &str) -> Result<Arc<dyn Provider>, ConfigError> {
        let gone = || ConfigError::new("the model that is called is not there any more");
        let shared = self.shared.upgrade().ok_or_else(gone)?;
        let upstream = Upstream { loaded_by: Some(self.module.clone()), ..shared.upstream(provider, None)? };
        Ok(wrap(&shared, &self.links, Arc::new(upstream)))
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
