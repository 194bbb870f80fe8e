//! The configuration of a run of the command.

use std::path::{Path, PathBuf};

use arcllm::{Config, ConfigError, Host};

use crate::failure::Failure;

/// The arguments of a command that reports on a configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Configured {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads this file, or else the one that the environment points to.
pub(crate) fn config(file: Option<&Path>) -> Result<Config, Failure> {
    let config = match file {
        Some(file) => Config::load(file),
        None => Config::find(),
    };
    Ok(config?)
}

/// Makes a host of a configuration. It watches for changed modules unless `host.watch` says no.
pub(crate) fn host(file: Option<&Path>) -> Result<Host, Failure> {
    Ok(watching(config(file)?)?)
}

/// As [`host`], of a configuration that has been read.
pub(crate) fn watching(config: Config) -> Result<Host, ConfigError> {
    let watch = config.watch.unwrap_or(true);
    Host::builder().config(config).watch(watch).build()
}
