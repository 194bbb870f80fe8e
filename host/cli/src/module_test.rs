//! `arcllm module test`.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use arcllm_conformance::kit::{self, Report};

use crate::{
    args::ModuleTest,
    failure::Failure,
    output::{json, line, word},
    progress::Spinner,
};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const STRONG: Style = Style::new().bold();

pub(crate) async fn run(arguments: ModuleTest) -> Result<ExitCode, Failure> {
    let Some(file) = arguments.file.filter(|_| !arguments.schema) else {
        line!("{:#}", kit::schema())?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut scenarios = kit::bundled().map_err(Failure::usage)?;
    for own in &arguments.scenarios {
        scenarios.extend(kit::read(own).map_err(Failure::usage)?);
    }
    let settings = arguments.settings.unwrap_or_default();
    let mut spinner = Spinner::start(!arguments.json);
    spinner.say(format!("testing {}", file.display()));
    // The kit runs an event loop of its own.
    let testing = tokio::task::spawn_blocking(move || kit::test(&file, &settings, &scenarios)).await;
    spinner.stop();
    let report = testing.map_err(|error| Failure::usage(error.to_string()))?.map_err(Failure::usage)?;
    match arguments.json {
        true => json(&report)?,
        false => print(&report)?,
    }
    Ok(ExitCode::from(if report.counts().1 == 0 { 0 } else { 1 }))
}

fn print(report: &Report) -> Result<(), Failure> {
    let granted = if report.granted.is_empty() { "nothing".to_owned() } else { report.granted.join(", ") };
    line!("{} {} ({}), granted: {granted}", word(&report.wasm), report.version, report.kind)?;
    let mut group = "";
    for check in &report.checks {
        if check.group != group {
            group = check.group;
            line!("{STRONG}{group}{STRONG:#}")?;
        }
        match check.differences.as_slice() {
            [] => line!("{GOOD}  ok    {GOOD:#}{}", word(&check.name))?,
            differences => {
                line!("{BAD}  failed{BAD:#}  {}", word(&check.name))?;
                differences.iter().try_for_each(|difference| line!("            {}", word(difference)))?;
            }
        }
    }
    let (passed, failed) = report.counts();
    line!("{passed} passed, {failed} failed")
}
