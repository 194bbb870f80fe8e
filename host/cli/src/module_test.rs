//! `arcllm module test`.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use arcllm_conformance::kit::{self, Report};

use crate::{args::ModuleTest, failure::Failure, output::line};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

pub(crate) async fn run(arguments: ModuleTest) -> Result<ExitCode, Failure> {
    let scenarios = kit::bundled().map_err(Failure::usage)?;
    let settings = arguments.settings.unwrap_or_default();
    // The kit runs an event loop of its own.
    let testing = tokio::task::spawn_blocking(move || kit::test(&arguments.file, &settings, &scenarios)).await;
    let report = testing.map_err(|error| Failure::usage(error.to_string()))?.map_err(Failure::usage)?;
    match arguments.json {
        true => line!("{}", serde_json::to_string(&report).map_err(|error| Failure::usage(error.to_string()))?)?,
        false => print(&report)?,
    }
    Ok(ExitCode::from(if report.counts().1 == 0 { 0 } else { 1 }))
}

fn print(report: &Report) -> Result<(), Failure> {
    line!("{} {} ({})", report.wasm, report.version, report.kind)?;
    for check in &report.checks {
        match check.differences.as_slice() {
            [] => line!("{GOOD}  ok    {GOOD:#}{}: {}", check.group, check.name)?,
            differences => {
                line!("{BAD}  failed{BAD:#}  {}: {}", check.group, check.name)?;
                differences.iter().try_for_each(|difference| line!("            {difference}"))?;
            }
        }
    }
    let (passed, failed) = report.counts();
    line!("{passed} passed, {failed} failed")
}
