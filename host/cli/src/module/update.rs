//! `arcllm module update`: brings what was copied from ArcLLM up to date.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{failure::Failure, module::sdk};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  arcllm module update --sdk politeness

A project carries the WIT package, and in Rust the SDK. --sdk replaces these files by those of this
program, and names each file that it writes. Changes of your own in them are lost. Tools of other
languages are named in the project: requirements.txt, package.json.

Exit codes: 0 all files are those of this program; 2 not a project, or a file cannot be written.")]
pub(crate) struct ModuleUpdate {
    /// Update the SDK and the WIT package of the project in this folder.
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".", required = true)]
    pub(crate) sdk: Option<PathBuf>,
}

pub(crate) fn run(arguments: ModuleUpdate) -> Result<ExitCode, Failure> {
    sdk::update(arguments.sdk.as_deref().unwrap_or(Path::new(".")))
}
