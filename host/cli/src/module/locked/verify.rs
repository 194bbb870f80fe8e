//! `arcllm module verify`: checks that modules are what was accepted.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use anstyle::{AnsiColor, Style};
use arcllm::{Config, Host, ModuleReport};
use arcllm_registry::Registry;
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    module::locked::change::ConfigFile,
    output::{self, line, word},
};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module verify
  arcllm module verify mine --online

Checks for each module of arcllm.lock that the configuration names it, that its bytes are those of
the lock, that it imports what was accepted and is granted no more, and that its signature is
right. --online also asks the registry: whether it still has these bytes, and where the tag points
now.

Exit codes: 0 all is right; 1 something is not; 2 the configuration or the lock cannot be read.")]
pub(crate) struct ModuleVerify {
    /// The module [default: all].
    pub(crate) name: Option<String>,
    /// Also ask the registries.
    #[arg(long)]
    pub(crate) online: bool,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is known of a module.
struct Verdict {
    report: ModuleReport,
    problem: Option<String>,
    /// What is no problem, and worth knowing.
    notes: Vec<String>,
}

pub(crate) async fn run(arguments: ModuleVerify) -> Result<ExitCode, Failure> {
    let file = ConfigFile::find(arguments.config.as_deref())?;
    let host = Host::builder().config(file.config.clone()).watch(false).build()?;
    let registry = arguments.online.then(|| Registry::new(file.config.registry_limits())).transpose()?;
    let mut verdicts = Vec::new();
    for name in names(&file.config, arguments.name.as_deref())? {
        verdicts.push(verdict(&host, &file.config, registry.as_ref(), &name).await?);
    }
    let is_right = verdicts.iter().all(|verdict| verdict.problem.is_none());
    if arguments.json {
        let modules: Vec<Value> = verdicts.iter().map(Verdict::json).collect();
        output::json(&json!({ "ok": is_right, "modules": modules }))?;
    } else {
        verdicts.iter().try_for_each(Verdict::print)?;
        if verdicts.is_empty() {
            line!("arcllm.lock has no module")?;
        }
    }
    Ok(ExitCode::from(if is_right { 0 } else { 1 }))
}

/// The modules in the lock, and those of registries that should be.
fn names(config: &Config, only: Option<&str>) -> Result<Vec<String>, Failure> {
    let from_registries = config.modules.iter().filter(|(_, module)| module.sandbox.reference().is_some());
    let names: BTreeSet<&String> = config.lock.modules.keys().chain(from_registries.map(|(name, _)| name)).collect();
    match only {
        None => Ok(names.into_iter().cloned().collect()),
        Some(name) if names.contains(&name.to_owned()) => Ok(vec![name.to_owned()]),
        Some(name) => {
            let help = "`arcllm module list` shows the modules";
            Err(Failure::usage(format!("`{name}` is not in arcllm.lock\n  help: {help}")))
        }
    }
}

async fn verdict(host: &Host, config: &Config, registry: Option<&Registry>, name: &str) -> Result<Verdict, Failure> {
    let report = host.module(name).await?;
    let mut verdict = Verdict { problem: report.problem.clone(), report, notes: Vec::new() };
    let Some(locked) = config.lock.modules.get(name) else { return Ok(verdict) };
    if verdict.problem.is_none() && locked.imports != verdict.report.imports {
        let help = format!("`arcllm module update {name}` writes it anew");
        verdict.problem = Some(format!("its imports in arcllm.lock are not those of its bytes\n  help: {help}"));
    }
    let (Some(registry), Some(reference)) = (registry, locked.source.reference()) else { return Ok(verdict) };
    match registry.look(reference).await {
        Ok(found) if found.wasm_digest == locked.wasm => {}
        Ok(_) => {
            let problem = "the manifest in the registry names other bytes than arcllm.lock".to_owned();
            verdict.problem = verdict.problem.or(Some(problem));
        }
        Err(error) => verdict.problem = verdict.problem.or(Some(error.to_string())),
    }
    if let Some(tagged) = reference.tag().and_then(|tag| reference.with_tag(tag).ok())
        && let Ok(now) = registry.look(&tagged).await
        && Some(now.manifest_digest) != reference.digest()
    {
        let digest = now.manifest_digest;
        verdict.notes.push(format!("the tag points to {digest} now; `arcllm module update {name}` shows what is new"));
    }
    Ok(verdict)
}

impl Verdict {
    fn json(&self) -> Value {
        json!({
            "name": self.report.name,
            "source": self.report.origin,
            "sha256": self.report.sha256,
            "signature": self.report.signature,
            "problem": self.problem,
            "notes": self.notes,
        })
    }

    fn print(&self) -> Result<(), Failure> {
        let name = word(&self.report.name);
        let signature = self.report.signature.as_ref().map(ToString::to_string).unwrap_or_default();
        match &self.problem {
            None => line!("{GOOD}right{GOOD:#}  {name}: {}", word(&signature))?,
            Some(problem) => line!("{BAD}wrong{BAD:#}  {name}: {}", problem.replace('\n', "\n       "))?,
        }
        self.notes.iter().try_for_each(|note| line!("       {}", word(note)))
    }
}
