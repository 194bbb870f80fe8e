//! Finds the modules that a load puts into the chain.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{
    assembly::{
        order::{built_in_order_with, place_help},
        source::ModuleSource,
    },
    chat::config_error::ConfigError,
    config::{
        config::Config,
        document::join,
        overrides::{Overrides, Switched},
        suggest::suggest,
    },
};

/// A module that a load puts into the chain.
pub(crate) struct EnabledModule {
    pub(crate) name: String,
    pub(crate) settings: Map<String, Value>,
    /// The overrides of the load for this module.
    pub(crate) overrides: Option<Value>,
}

/// Why it is not known which modules are on.
pub(crate) enum NotEnabled {
    /// Something is wrong.
    Wrong(ConfigError),
    /// `host.order` lacks a module. The error suggests a place for a built-in one.
    Misplaced { name: String, error: ConfigError },
}

impl From<ConfigError> for NotEnabled {
    fn from(error: ConfigError) -> Self {
        NotEnabled::Wrong(error)
    }
}

impl From<NotEnabled> for ConfigError {
    fn from(not: NotEnabled) -> Self {
        match not {
            NotEnabled::Wrong(error) | NotEnabled::Misplaced { error, .. } => error,
        }
    }
}

/// The modules that are on, outermost first.
///
/// # Errors
///
/// Where a module does not exist or is missing from `host.order`.
pub(crate) fn enabled(source: &ModuleSource, overrides: &Overrides) -> Result<Vec<EnabledModule>, NotEnabled> {
    let all = names(source.config(), overrides).into_iter().map(|name| placed(source, name, overrides));
    let all: Vec<Option<Placed>> = all.collect::<Result<_, _>>()?;
    Ok(in_order(all.into_iter().flatten().collect()))
}

/// The modules that are on in the configuration, outermost first, and what is wrong with others that it names.
pub(crate) fn enabled_and_wrong(source: &ModuleSource) -> (Vec<EnabledModule>, Vec<ConfigError>) {
    let (mut on, mut wrong, overrides) = (Vec::new(), Vec::new(), Overrides::new());
    for name in names(source.config(), &overrides) {
        match placed(source, name, &overrides) {
            Ok(module) => on.extend(module),
            Err(not) => wrong.push(not.into()),
        }
    }
    (in_order(on), wrong)
}

/// A module that is on, and its index in `host.order`.
type Placed = (usize, EnabledModule);

fn in_order(mut placed: Vec<Placed>) -> Vec<EnabledModule> {
    placed.sort_by_key(|(position, _)| *position);
    placed.into_iter().map(|(_, module)| module).collect()
}

/// The names of all modules that the configuration or this load speaks of.
fn names<'a>(config: &'a Config, overrides: &'a Overrides) -> BTreeSet<&'a String> {
    config.modules.keys().chain(overrides.modules.keys()).chain(&config.order).collect()
}

/// The module, if it is on.
fn placed(source: &ModuleSource, name: &str, overrides: &Overrides) -> Result<Option<Placed>, NotEnabled> {
    let config = source.config();
    check_exists(source, name, overrides)?;
    let asked = overrides.modules.get(name);
    let Switched::On(settings) = Switched::of(name, config.modules.get(name), asked)? else { return Ok(None) };
    let position = config.order.iter().position(|ordered| ordered == name);
    let position = position.ok_or_else(|| out_of_order(config, name))?;
    Ok(Some((position, EnabledModule { name: name.to_owned(), settings, overrides: asked.cloned() })))
}

fn check_exists(source: &ModuleSource, name: &str, overrides: &Overrides) -> Result<(), ConfigError> {
    if source.has(name) {
        return Ok(());
    }
    let config = source.config();
    let problem = format!("names the {}", source.unknown(name));
    let error = match (config.modules.contains_key(name), overrides.modules.contains_key(name)) {
        (true, _) => config.document.error(Some(&join("modules", name)), problem),
        (false, true) => ConfigError::new(problem).key(join("modules", name)),
        (false, false) => config.document.error(Some("host.order"), problem),
    };
    Err(error.help(suggest(name, source.names().iter().map(String::as_str))))
}

fn out_of_order(config: &Config, name: &str) -> NotEnabled {
    let problem = format!("does not list the module `{name}`, which is enabled");
    let error = config.document.error(Some("host.order"), problem);
    let error = error.help(place_help(&built_in_order_with(&config.order, name)));
    NotEnabled::Misplaced { name: name.to_owned(), error }
}
