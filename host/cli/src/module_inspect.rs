//! `arcllm module inspect`.

use std::process::ExitCode;

use anstyle::Style;
use arcllm::{Host, ModuleReport};
use serde_json::Value;

use crate::{
    args::ModuleInspect,
    failure::Failure,
    modules::{describe, problems},
    output::{json, line, word},
};

const STRONG: Style = Style::new().bold();

pub(crate) async fn run(arguments: ModuleInspect) -> Result<ExitCode, Failure> {
    let report = Host::inspect(&arguments.file).await?;
    if arguments.json {
        json(&serde_json::json!({ "module": report }))?;
    } else {
        print(&report, &arguments)?;
    }
    Ok(ExitCode::from(if report.problem.is_some() { 2 } else { 0 }))
}

fn print(module: &ModuleReport, arguments: &ModuleInspect) -> Result<(), Failure> {
    let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    line!("{STRONG}{}{STRONG:#} {} ({})", module.name, said(&module.version), said(&module.kind))?;
    describe(module)?;
    if let Some(name) = module.metadata.name.as_ref().filter(|name| **name != module.name) {
        line!("    name     {name}, as it calls itself")?;
    }
    problems(module)?;
    if module.problem.is_some() {
        return Ok(());
    }
    settings(module)?;
    config(module, arguments)
}

/// The settings that it takes, as its schema has them.
fn settings(module: &ModuleReport) -> Result<(), Failure> {
    let properties = module.config_schema.as_ref().and_then(|schema| schema.get("properties")?.as_object());
    let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
        return line!("\nIt has no settings that it tells of.");
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

/// What config must say to let it run.
fn config(module: &ModuleReport, arguments: &ModuleInspect) -> Result<(), Failure> {
    let name = &module.name;
    line!(
        "\n{STRONG}To run it{STRONG:#}, put {} into the modules directory, and say in config.toml:\n",
        word(&arguments.file.display().to_string())
    )?;
    line!("    [host]\n    order = [\"{name}\", \"retry\", \"fallback\"]     # where it stands, outermost first\n")?;
    line!("    [modules.{name}]\n    enabled = true\n")?;
    line!("    [modules.{name}.sandbox]")?;
    let file = arguments.file.file_name().unwrap_or_default().to_string_lossy();
    line!("    wasm = {file:?}")?;
    line!("    sha256 = {:?}", module.sha256.as_deref().unwrap_or_default())?;
    match module.asks_for.as_slice() {
        [] => Ok(()),
        grants => line!("    allow = {grants:?}     # if you trust it with that"),
    }
}
