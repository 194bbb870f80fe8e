//! `arcllm check`: checks the configuration and every module.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use arcllm::CheckReport;
use arcllm_server::serve;

use crate::{
    config::{Configured, host},
    failure::Failure,
    output::{json, line, word},
};

const STRONG: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The worst case is what one call sends and waits at most, if every attempt fails.
Exit codes: 0 no problems; 2 there are problems.")]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// What calls ask: a provider, PROVIDER/MODEL, or the NAME of a `[models.NAME]`. Without it, `defaults.provider`.
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
}

pub(crate) async fn run(arguments: Check) -> Result<ExitCode, Failure> {
    let host = host(arguments.configured.config.as_deref())?;
    let mut report = host.check(arguments.provider.as_deref()).await;
    let of_serve = serve::check(&host);
    report.problems.extend(of_serve.problems);
    report.warnings.extend(of_serve.warnings);
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
    line!("{STRONG}config{STRONG:#}      {}", word(report.file.as_deref().unwrap_or("none; built-in defaults")))?;
    let provider = report.provider.as_deref().unwrap_or("none; give --provider NAME or set `defaults.provider`");
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
        line!("{GOOD}no problems{GOOD:#}")?;
    }
    Ok(())
}

/// Puts later lines under the first.
fn indent(message: &str) -> String {
    message.replace('\n', "\n          ")
}
