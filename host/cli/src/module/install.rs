//! `arcllm module install`: puts a component into the modules directory, as it is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use arcllm::{Config, Host};
use serde_json::json;

use crate::{
    config::config,
    failure::Failure,
    module::name::name,
    output::{self, line, tell},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module install mine.wasm
  arcllm module install build/out.wasm --name mine --modules-dir /etc/arcllm/modules

Copies the file in one step, so that a running host sees the old module or the new one. Nothing is
built: what you have tested is what is installed. The file must be a module that can be loaded.
Without --modules-dir it goes into the modules directory of the configuration.

Exit codes: 0 it is installed; 2 it is no module, or cannot be written.")]
pub(crate) struct ModuleInstall {
    /// The component.
    pub(crate) file: PathBuf,
    /// Its name [default: that of the file]
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
    /// The directory [default: that of the configuration]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) modules_dir: Option<PathBuf>,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: ModuleInstall) -> Result<ExitCode, Failure> {
    let stem = arguments.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => name(stem).map_err(|expected| {
            Failure::usage(format!("{stem:?} is no name of a module: {expected}\n  help: name it with --name NAME"))
        })?,
    };
    let (directory, report) = match &arguments.modules_dir {
        Some(directory) => (directory.clone(), Host::inspect(&arguments.file).await?),
        None => {
            let config = config(arguments.config.as_deref())?;
            refuse_locked(&config, &name)?;
            let report = Host::inspect_within(&arguments.file, config.max_module_mb).await?;
            (directory_of(config)?, report)
        }
    };
    if let Some(problem) = &report.problem {
        return Err(Failure::usage(format!("nothing was installed: {problem}")));
    }
    let file = directory.join(format!("{name}.wasm"));
    put(&arguments.file, &file)?;
    let is_built_in = arcllm::is_built_in(&name);
    if is_built_in {
        tell(format_args!("`{name}` is built in, and the file is not used unless the configuration names it.\n"));
    }
    if arguments.json {
        let (sha256, grants) = (&report.sha256, &report.asks_for);
        output::json(&json!({ "installed": { "name": name, "file": file, "sha256": sha256, "asks_for": grants } }))?;
        return Ok(ExitCode::SUCCESS);
    }
    line!("installed {}", file.display())?;
    if !report.asks_for.is_empty() {
        let grants = &report.asks_for;
        line!("It needs grants: allow = {grants:?} under [modules.{name}.sandbox], if you trust it with them.")?;
    }
    if is_built_in {
        line!("To use it, set wasm = \"{name}.wasm\" under [modules.{name}.sandbox].")?;
    }
    line!("To switch it on, add `{name}` to host.order, and `enabled = true` to [modules.{name}].")?;
    Ok(ExitCode::SUCCESS)
}

/// The modules directory of a configuration, by default the one that the environment points to.
pub(crate) fn modules_directory(file: Option<&Path>) -> Result<PathBuf, Failure> {
    directory_of(config(file)?)
}

fn directory_of(config: Config) -> Result<PathBuf, Failure> {
    config.modules_dir.ok_or_else(|| {
        let help = "name the configuration with --config FILE, or the directory with --modules-dir DIR";
        Failure::usage(format!("no configuration was found, and so no modules directory\n  help: {help}"))
    })
}

/// Refuses a module that was added: it keeps its bytes until it is updated.
pub(crate) fn refuse_locked(config: &Config, name: &str) -> Result<(), Failure> {
    match config.lock.modules.contains_key(name) {
        false => Ok(()),
        true => {
            let help = format!("`arcllm module update {name} --to FILE` accepts a new file, and puts it there");
            Err(Failure::usage(format!("`{name}` is in arcllm.lock, so only its bytes are loaded\n  help: {help}")))
        }
    }
}

/// Refuses a file that no start would load, since it is larger than `host.max_module_mb`.
pub(crate) fn refuse_large(config: &Config, file: &Path) -> Result<(), Failure> {
    let (mb, most) = (fs::metadata(file).map_or(0, |metadata| metadata.len().div_ceil(1 << 20)), config.max_module_mb);
    if mb <= most {
        return Ok(());
    }
    let help = format!("build it without debug information, or set host.max_module_mb to {mb} or more");
    let file = file.display();
    Err(Failure::usage(format!("{file}: has {mb} MB, more than the {most} MB that a module may have\n  help: {help}")))
}

/// Copies a component in one step: a host may be reading the file that it replaces. One that is there already stays.
pub(crate) fn put(component: &Path, file: &Path) -> Result<(), Failure> {
    if let (Ok(one), Ok(other)) = (component.canonicalize(), file.canonicalize())
        && one == other
    {
        return Ok(());
    }
    let beside = file.with_extension(format!("wasm-{}", std::process::id()));
    let copied = (|| {
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(component, &beside)?;
        fs::rename(&beside, file)
    })();
    copied.map_err(|error| {
        // It may not exist.
        let _ = fs::remove_file(&beside);
        Failure::usage(format!("{}: {error}", file.display()))
    })
}
