//! `arcllm modules`: lists the modules.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use arcllm::ModuleReport;

use crate::{
    config::{Configured, host},
    failure::Failure,
    module::describe::{describe, list, problems, title},
    output::{json, line, word},
};

const STRONG: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default();

pub(crate) async fn run(arguments: Configured) -> Result<ExitCode, Failure> {
    let host = host(arguments.config.as_deref())?;
    let (modules, problems) = host.modules_and_problems().await;
    let wrong: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let warnings: Vec<String> = host.stray_files().iter().map(ToString::to_string).collect();
    if arguments.json {
        json(&serde_json::json!({ "modules": modules, "problems": wrong, "warnings": warnings }))?;
    } else {
        modules.iter().try_for_each(print)?;
        wrong.iter().try_for_each(|text| line!("{BAD}problem{BAD:#}  {}", text.replace('\n', "\n       ")))?;
        warnings.iter().try_for_each(|text| line!("{ODD}warning{ODD:#}  {}", text.replace('\n', "\n       ")))?;
    }
    let is_wrong = |module: &ModuleReport| module.position.is_some() && module.problem.is_some();
    match !wrong.is_empty() || modules.iter().any(is_wrong) {
        true => Err(Failure::Told),
        false => Ok(ExitCode::SUCCESS),
    }
}

fn print(module: &ModuleReport) -> Result<(), Failure> {
    let position = match module.position {
        Some(position) => format!("on, place {position} (1 is the outermost)"),
        None => "off".to_owned(),
    };
    line!("{STRONG}{}{STRONG:#}{}, {position}", module.name, title(module))?;
    describe(module)?;
    let granted: Vec<String> = module.granted.iter().map(|grant| word(&grant.to_string()).into_owned()).collect();
    line!("    granted  {}", list(&granted))?;
    problems(module)
}
