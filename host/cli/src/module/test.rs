//! `arcllm module test`: runs the conformance kit on a component.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anstyle::{AnsiColor, Style};
use arcllm_conformance::kit::{self, Report};
use arcllm_wording::{Format, Mistake};
use serde_json::{Map, Value};

use crate::{
    failure::Failure,
    output::{json, line, word},
    progress::Spinner,
};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const STRONG: Style = Style::new().bold();

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module test mine.wasm
  arcllm module test mine.wasm --scenarios scenarios.toml
  arcllm module test mine.wasm --settings '{\"small\": \"second\"}'
  arcllm module test --schema > scenarios.schema.json

There are three groups of checks:
  contract   what every module must do
  hostile    input that must not bring a module down
  scenario   what a module of this kind must do, and your own scenarios
The module is granted what it asks for. Time is virtual and the providers are in this process:
nothing is sent, and minutes of waiting pass at once.

A check demands no more than the module's description says of its behavior.

Exit codes: 0 all checks passed; 1 some failed; 2 the file is not a module, or needs settings.")]
pub(crate) struct ModuleTest {
    /// The component.
    #[arg(required_unless_present = "schema")]
    pub(crate) file: Option<PathBuf>,
    /// A file with your own scenarios, to run besides those of its kind. docs/scenarios.md has the format. Can be
    /// repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenarios: Vec<PathBuf>,
    /// Print the JSON Schema of a file of scenarios, and test nothing.
    #[arg(long)]
    pub(crate) schema: bool,
    /// Settings that the module always needs, as a JSON object. They win over `[settings]` at the head of a file of
    /// scenarios. The settings of a single scenario are added, and win over both.
    #[arg(long, value_name = "JSON", value_parser = settings)]
    pub(crate) settings: Option<Map<String, Value>>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads a JSON object of settings.
pub(crate) fn settings(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| {
        let problem = Mistake::of(&error.to_string(), Format::Json).problem;
        format!("it {problem}; expected {{\"key\": value}}")
    })
}

pub(crate) async fn run(arguments: ModuleTest) -> Result<ExitCode, Failure> {
    let Some(file) = arguments.file.filter(|_| !arguments.schema) else {
        line!("{:#}", kit::schema())?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut scenarios = kit::bundled().map_err(Failure::usage)?;
    let mut settings = Map::new();
    for file in &arguments.scenarios {
        let own = kit::read(file).map_err(Failure::usage)?;
        add(&mut settings, own.settings, file)?;
        scenarios.extend(own.scenarios);
    }
    // The option is nearer to the user than a file.
    settings.extend(arguments.settings.unwrap_or_default());
    let mut spinner = Spinner::start(!arguments.json);
    spinner.say(format!("testing {}", file.display()));
    // The kit runs its own event loop.
    let testing = tokio::task::spawn_blocking(move || kit::test(&file, &settings, &scenarios)).await;
    spinner.stop();
    let report = testing.map_err(|error| Failure::usage(error.to_string()))?.map_err(Failure::usage)?;
    match arguments.json {
        true => json(&report)?,
        false => print(&report)?,
    }
    Ok(ExitCode::from(if report.counts().1 == 0 { 0 } else { 1 }))
}

/// Adds the settings at the head of a file. Two files may not contradict each other.
fn add(settings: &mut Map<String, Value>, own: Map<String, Value>, file: &Path) -> Result<(), Failure> {
    for (key, value) in own {
        if settings.get(&key).is_some_and(|other| *other != value) {
            let help = "give it in one file, or in the `settings` of each scenario";
            let file = file.display();
            return Err(Failure::usage(format!(
                "{file}: another file of scenarios has another `{key}` under [settings]\n  help: {help}"
            )));
        }
        settings.insert(key, value);
    }
    Ok(())
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
