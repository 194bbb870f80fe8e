//! `arcllm completions`: prints what lets a shell complete the command.

use std::process::ExitCode;

use crate::{failure::Failure, output::line};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  arcllm completions bash > ~/.local/share/bash-completion/completions/arcllm")]
pub(crate) struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

pub(crate) fn run(arguments: &Completions, mut command: clap::Command) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "arcllm", &mut script);
    line!("{}", String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
