//! `arcllm module inspect`: describes a component, which may be a stranger's.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anstyle::Style;
use arcllm::{Host, ModuleReport};
use serde_json::Value;

use crate::{
    failure::Failure,
    module::describe::{describe, problems, title},
    output::{json, line, word},
};

const STRONG: Style = Style::new().bold();

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  arcllm module inspect stranger.wasm

The component is started and asked to describe itself. It has ten seconds, no settings and no
grants, and what it stores is thrown away. It serves no call. A file above 64 MB is refused.

Exit codes: 0 it can be loaded; 2 it cannot, and what is known of it is shown.")]
pub(crate) struct ModuleInspect {
    /// The component.
    pub(crate) file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(arguments: ModuleInspect) -> Result<ExitCode, Failure> {
    let report = Host::inspect(&arguments.file).await?;
    if arguments.json {
        json(&serde_json::json!({ "module": report }))?;
    } else {
        print(&report, &arguments.file)?;
    }
    Ok(ExitCode::from(if report.problem.is_some() { 2 } else { 0 }))
}

fn print(module: &ModuleReport, file: &Path) -> Result<(), Failure> {
    line!("{STRONG}{}{STRONG:#}{}", module.name, title(module))?;
    describe(module)?;
    if let Some(name) = module.metadata.name.as_ref().filter(|name| **name != module.name) {
        line!("    name     it calls itself {name}")?;
    }
    problems(module)?;
    if module.problem.is_some() {
        return Ok(());
    }
    settings(module)?;
    config(module, file)
}

/// Prints the settings of its schema.
fn settings(module: &ModuleReport) -> Result<(), Failure> {
    let properties = module.config_schema.as_ref().and_then(|schema| schema.get("properties")?.as_object());
    let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
        return line!("\nIts schema has no settings.");
    };
    line!("\n{STRONG}Settings{STRONG:#}, in [modules.{}]:", module.name)?;
    let longest = properties.keys().map(String::len).max().unwrap_or_default();
    for (key, property) in properties {
        let text = |name: &str| property.get(name).and_then(Value::as_str);
        let about = text("description").and_then(|text| text.lines().next()).or(text("type")).unwrap_or_default();
        let default = property.get("default").map(|default| format!(" [default: {default}]")).unwrap_or_default();
        line!("    {key:longest$}  {about}{default}")?;
    }
    Ok(())
}

/// Prints the configuration that runs it.
fn config(module: &ModuleReport, file: &Path) -> Result<(), Failure> {
    let name = &module.name;
    line!(
        "\n{STRONG}To run it{STRONG:#}, copy {} into the modules directory and add this to config.toml:\n",
        word(&file.display().to_string())
    )?;
    line!("    [host]\n    order = {:?}     # outermost first\n", module.suggested_order())?;
    line!("    [modules.{name}]\n    enabled = true\n")?;
    line!("    [modules.{name}.sandbox]")?;
    let wasm = file.file_name().unwrap_or_default().to_string_lossy();
    line!("    wasm = {wasm:?}")?;
    line!("    sha256 = {:?}", module.sha256.as_deref().unwrap_or_default())?;
    match module.asks_for.as_slice() {
        [] => Ok(()),
        grants => line!("    allow = {grants:?}     # only if you trust it with this"),
    }
}
