//! `arcllm check`.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use arcllm::CheckReport;

use crate::{
    args::Check,
    failure::Failure,
    invoke::host,
    output::{json, line, word},
};

const STRONG: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

pub(crate) async fn run(arguments: Check) -> Result<ExitCode, Failure> {
    let report = host(arguments.configured.config.as_deref())?.check(arguments.provider.as_deref()).await;
    if arguments.configured.json {
        json(&report)?;
    } else {
        print(&report)?;
    }
    match report.problems.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::Told),
    }
}

fn print(report: &CheckReport) -> Result<(), Failure> {
    line!("{STRONG}config{STRONG:#}      {}", word(report.file.as_deref().unwrap_or("built-in")))?;
    let provider = report.provider.as_deref().unwrap_or("none by default");
    let model = report.model.as_deref().map(|model| format!(" ({model})")).unwrap_or_default();
    line!("{STRONG}provider{STRONG:#}    {}", word(&format!("{provider}{model}")))?;
    let chain: Vec<&str> = report.chain.iter().map(String::as_str).collect();
    line!("{STRONG}chain{STRONG:#}       {}", [&["agent"], &chain[..], &["adapter"]].concat().join(" -> "))?;
    line!(
        "{STRONG}worst case{STRONG:#}  {} attempt{}, {} s of waiting",
        report.worst_case_attempts,
        if report.worst_case_attempts == 1 { "" } else { "s" },
        report.worst_case_waiting.as_secs_f64()
    )?;
    line!("{STRONG}attempts{STRONG:#}    {} at most", report.max_attempts)?;
    line!("{STRONG}deadline{STRONG:#}    {} s", report.deadline.as_secs_f64())?;
    for problem in &report.problems {
        line!("{BAD}problem{BAD:#}     {}", indent(problem))?;
    }
    for warning in &report.warnings {
        line!("{WARNING}warning{WARNING:#}     {}", indent(warning))?;
    }
    if report.problems.is_empty() && report.warnings.is_empty() {
        line!("{GOOD}all is well{GOOD:#}")?;
    }
    Ok(())
}

/// Later lines stand under the first.
fn indent(message: &str) -> String {
    message.replace('\n', "\n          ")
}
