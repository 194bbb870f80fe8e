//! `arcllm audit`: checks the journal that modules append to.

use std::{path::PathBuf, process::ExitCode};

use anstyle::{AnsiColor, Style};
use arcllm::{Hash, JournalCheck, JournalProblem, JournalReport, verify_journal};

use crate::{
    config::config,
    failure::Failure,
    output::{self, line, word},
};

const STRONG: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// What is done with a journal.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Audit {
    /// Check that the records of a journal are there as they were written.
    Verify(AuditVerify),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm audit verify
  arcllm audit verify /var/log/arcllm/journal --json
  arcllm audit verify journal --expect 3f9a0b12…
  arcllm audit verify journal --after 8c44d1e7…      the files before were moved away

Each record has the hash of the one before. The first place where that is wrong is shown, and what
it is: changed, removed, inserted, out_of_order or torn (the file ends in the middle of a line).

The first record has to be record 1, unless `keep_files` has deleted those before. The last one is
that of journal.head, which stands in the folder. A single file is checked for itself.

The chain does not show that somebody wrote it anew, with its head. Note the last hash elsewhere
from time to time, and give it with --expect: one of the records must have it.

Exit codes: 0 all is right; 1 something is not; 2 a file cannot be read, or an argument is wrong.")]
pub(crate) struct AuditVerify {
    /// Files of the journal, or its folder [default: the folder of `[journal]`].
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// A hash that one of the records must have. Can be repeated.
    #[arg(long, value_name = "HASH")]
    pub(crate) expect: Vec<Hash>,
    /// The hash of the record before the first one, if older files are kept elsewhere.
    #[arg(long, value_name = "HASH")]
    pub(crate) after: Option<Hash>,
    /// The configuration file, if no FILE is given.
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(command: Audit) -> Result<ExitCode, Failure> {
    let Audit::Verify(arguments) = command;
    let paths = match arguments.files.is_empty() {
        false => arguments.files,
        true => vec![folder(arguments.config)?],
    };
    let report = verify_journal(&JournalCheck { paths, expected: arguments.expect, after: arguments.after })
        .map_err(|error| Failure::usage(format!("{error}\n  help: name the files of a journal, or its folder")))?;
    match arguments.json {
        true => output::json(&report)?,
        false => print(&report)?,
    }
    Ok(ExitCode::from(if report.valid { 0 } else { 1 }))
}

/// The folder that the configuration names.
fn folder(file: Option<PathBuf>) -> Result<PathBuf, Failure> {
    config(file.as_deref())?.journal.folder.ok_or_else(|| {
        let help = "name its files or its folder: `arcllm audit verify FILE`";
        Failure::usage(format!("there is no configuration that says where the journal is\n  help: {help}"))
    })
}

fn print(report: &JournalReport) -> Result<(), Failure> {
    let plural = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let files = plural(u64::try_from(report.files).unwrap_or(u64::MAX), "file");
    line!("{STRONG}records{STRONG:#}  {} in {files}", report.records)?;
    if let (Some(first), Some(last)) = (&report.first, &report.last) {
        line!("{STRONG}first{STRONG:#}    {} at {}", first.sequence, word(&first.time))?;
        line!("{STRONG}last{STRONG:#}     {} at {}", last.sequence, word(&last.time))?;
        line!("{STRONG}hash{STRONG:#}     {}", last.hash)?;
        if first.sequence > 1 {
            line!("The {} before the first are not here.", plural(first.sequence - 1, "record"))?;
        }
    }
    if !report.end_is_noted {
        line!("There is no journal.head beside the last file. So a cut end does not show.")?;
    }
    match &report.problem {
        None => line!("{GOOD}The chain is right.{GOOD:#}"),
        Some(problem) => tell(problem),
    }
}

/// Prints what is wrong, and where.
fn tell(problem: &JournalProblem) -> Result<(), Failure> {
    let file = problem.file.as_ref().map(|file| word(&file.display().to_string()).into_owned());
    let place = match (file, problem.line) {
        (Some(file), Some(line)) => format!("{file}, line {line}: "),
        (Some(file), None) => format!("{file}: "),
        (None, _) => String::new(),
    };
    line!("{BAD}problem{BAD:#}  {place}{}", problem.message)
}
