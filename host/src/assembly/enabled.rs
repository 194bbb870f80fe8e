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
    let config = source.config();
    let names: BTreeSet<&String> = config.modules.keys().chain(overrides.modules.keys()).chain(&config.order).collect();
    let mut enabled = Vec::new();
    for name in names {
        check_exists(source, name, overrides)?;
        let asked = overrides.modules.get(name);
        if let Switched::On(settings) = Switched::of(name, config.modules.get(name), asked)? {
            let position = config.order.iter().position(|ordered| ordered == name);
            let position = position.ok_or_else(|| out_of_order(config, name))?;
            enabled.push((position, EnabledModule { name: name.clone(), settings, overrides: asked.cloned() }));
        }
    }
    enabled.sort_by_key(|(position, _)| *position);
    Ok(enabled.into_iter().map(|(_, module)| module).collect())
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
