//! `arcllm trust`.

use std::{path::Path, process::ExitCode};

use anstyle::Style;
use arcllm::{Config, Host, TrustStore};

use crate::{args::Trust, failure::Failure, output::line};

const STRONG: Style = Style::new().bold();

pub(crate) fn run(arguments: &Trust) -> Result<ExitCode, Failure> {
    let store = TrustStore::of_user().ok_or_else(|| {
        Failure::usage("you have no folder for what is trusted\n  help: set XDG_STATE_HOME or HOME to an absolute path")
    })?;
    match arguments {
        Trust { list: true, .. } => list(&store)?,
        Trust { forget: true, file, .. } => forget(&store, file)?,
        Trust { file, .. } => trust(&store, file)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Remembers the file, and says what that allows.
fn trust(store: &TrustStore, file: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let help = "the configuration to trust: `arcllm trust FILE`";
        Failure::usage(format!("{}: cannot be read: {error}\n  help: {help}", file.display()))
    })?;
    // What is remembered is the text that is shown.
    let host = Host::builder().config(Config::parse(&text, Some(file))?).watch(false).build()?;
    let trusted = store.trust(file, &text)?;
    line!("{STRONG}trusted{STRONG:#}     {}", trusted.file.display())?;
    line!("{STRONG}sha256{STRONG:#}      {}", trusted.sha256)?;
    match host.takes_trust().as_slice() {
        [] => line!("It asks for nothing that takes trust."),
        powers => {
            line!("As long as it does not change:")?;
            powers.iter().try_for_each(|power| line!("  {power}"))
        }
    }
}

fn forget(store: &TrustStore, file: &Path) -> Result<(), Failure> {
    match store.forget(file)? {
        true => line!("{} is not trusted any more", file.display()),
        false => Err(Failure::usage(format!(
            "{}: was not trusted\n  help: `arcllm trust --list` shows what is",
            file.display()
        ))),
    }
}

fn list(store: &TrustStore) -> Result<(), Failure> {
    let files = store.files()?;
    if files.is_empty() {
        return line!("no configuration is trusted");
    }
    files.iter().try_for_each(|trusted| line!("{}  {}", trusted.sha256, trusted.file.display()))
}
