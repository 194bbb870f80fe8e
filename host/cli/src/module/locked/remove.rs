//! `arcllm module remove`: takes a module out of the configuration and the lock.

use std::{path::PathBuf, process::ExitCode};

use serde_json::json;

use crate::{
    failure::Failure,
    module::locked::{change::ConfigFile, edit},
    output::{self, line},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  arcllm module remove mine

Its tables leave the configuration, its name leaves host.order, and its entry leaves arcllm.lock.
Its file stays: other configurations may use it.

Exit codes: 0 it is removed; 2 there is no such module, or the result would be no configuration.")]
pub(crate) struct ModuleRemove {
    /// The module's name in the configuration.
    pub(crate) name: String,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(arguments: &ModuleRemove) -> Result<ExitCode, Failure> {
    let (file, name) = (ConfigFile::find(arguments.config.as_deref())?, arguments.name.as_str());
    let is_from_elsewhere = file.config.modules.get(name).is_some_and(|module| module.sandbox.wasm.is_some());
    if arcllm::is_built_in(name) && !is_from_elsewhere && !file.config.lock.modules.contains_key(name) {
        let help = format!("set `enabled = false` under [modules.{name}] to switch it off");
        return Err(Failure::usage(format!("`{name}` is built in\n  help: {help}")));
    }
    let users = file.config.models_with_module(name);
    if let Some(model) = users.first() {
        let help = format!("take `{name}` out of [models.{model}.modules] first");
        return Err(Failure::usage(format!("the model `{model}` uses the module `{name}`\n  help: {help}")));
    }
    let mut source = None;
    file.change(None, |document, lock| {
        let locked = lock.modules.remove(name);
        source = locked.as_ref().map(|locked| locked.source.wasm());
        match edit::remove_module(document, name) || locked.is_some() {
            true => Ok(()),
            false => {
                let help = "`arcllm module list` shows the modules";
                Err(Failure::usage(format!("there is no module `{name}` in {}\n  help: {help}", file.file.display())))
            }
        }
    })?;
    if arguments.json {
        output::json(&json!({ "removed": { "name": name, "source": source } }))?;
    } else {
        line!("removed {name}")?;
    }
    Ok(ExitCode::SUCCESS)
}
