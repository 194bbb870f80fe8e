//! `arcllm module list`: lists the modules that are not built in.

use std::{path::PathBuf, process::ExitCode};

use anstyle::{AnsiColor, Style};
use arcllm::{Config, Host, ModuleReport};
use serde_json::{Value, json};

use crate::{
    config,
    failure::Failure,
    module::{
        describe::{signed, title},
        locked::consent::shown,
    },
    output::{self, line, word},
};

const STRONG: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default();

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  arcllm module list --json

Lists the modules from registries and files: where they come from, whether they are in arcllm.lock,
who signed them and what they are granted. `arcllm modules` lists the built-in ones as well.

Exit codes: 0; 2 the configuration or the lock is wrong.")]
pub(crate) struct ModuleList {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: ModuleList) -> Result<ExitCode, Failure> {
    let config = config::config(arguments.config.as_deref())?;
    let host = Host::builder().config(config.clone()).watch(false).build()?;
    let (modules, wrong) = host.modules_and_problems().await;
    let modules: Vec<ModuleReport> =
        modules.into_iter().filter(|module| module.origin.as_deref() != Some("built-in")).collect();
    let gone = config.lock.modules.keys().filter(|name| !modules.iter().any(|module| module.name == **name));
    let gone: Vec<&String> = gone.collect();
    let code = ExitCode::from(if wrong.is_empty() { 0 } else { 2 });
    let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    if arguments.json {
        let modules: Vec<Value> = modules.iter().map(|module| entry(module, &config)).collect();
        output::json(&json!({ "modules": modules, "only_in_lock": gone, "problems": wrong }))?;
        return Ok(code);
    }
    modules.iter().try_for_each(|module| print(module, &config))?;
    gone.iter().try_for_each(|name| {
        line!(
            "{STRONG}{}{STRONG:#}, only in arcllm.lock; `arcllm module remove {}` takes it out",
            word(name),
            word(name)
        )
    })?;
    if modules.is_empty() && gone.is_empty() {
        line!("all modules are built in; `arcllm module add` adds one")?;
    }
    wrong.iter().try_for_each(|text| line!("{BAD}problem{BAD:#}  {}", text.replace('\n', "\n       ")))?;
    Ok(code)
}

fn entry(module: &ModuleReport, config: &Config) -> Value {
    json!({
        "name": module.name,
        "version": version(module, config),
        "source": source(module, config),
        "sha256": module.sha256,
        "locked": module.locked,
        "signature": module.signature,
        "granted": module.granted,
        "position": module.position,
        "problem": module.problem,
    })
}

fn print(module: &ModuleReport, config: &Config) -> Result<(), Failure> {
    let is_on = if module.position.is_some() { "on" } else { "off" };
    let locked = if module.locked { "in arcllm.lock" } else { "not in arcllm.lock" };
    line!("{STRONG}{}{STRONG:#}{}, {is_on}, {locked}", module.name, title(module))?;
    if let Some(source) = source(module, config) {
        line!("    from     {}", word(&source))?;
    }
    if let Some(signature) = &module.signature {
        line!("    signed   {}", word(&signed(signature)))?;
    }
    line!("    granted  {}", word(&shown(&module.granted)))?;
    match &module.problem {
        Some(problem) => line!("    {BAD}problem{BAD:#}  {}", problem.replace('\n', "\n           ")),
        None => Ok(()),
    }
}

/// Where it comes from, also where it cannot be read.
fn source(module: &ModuleReport, config: &Config) -> Option<String> {
    let locked = || config.lock.modules.get(&module.name).map(|locked| locked.source.wasm());
    module.origin.clone().or_else(locked)
}

fn version(module: &ModuleReport, config: &Config) -> Option<String> {
    module.version.clone().or_else(|| config.lock.modules.get(&module.name)?.version.clone())
}
