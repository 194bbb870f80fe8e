//! `cargo xtask soak`: makes many calls while instances trap and callers leave.

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::workspace::cargo;

/// How long the soak is.
#[derive(Args)]
pub(crate) struct Soak {
    /// How many calls to make
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    calls: u64,
    /// How many calls to make at once
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    in_flight: u64,
    /// The seed of the traps, the failures and the cancellations
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

/// Builds and runs it. It is a benchmark, so that xtask does not need the host.
pub(crate) fn run(soak: &Soak) -> Result<()> {
    let numbers = [soak.calls, soak.in_flight, soak.seed].map(|number| number.to_string());
    let mut command = std::process::Command::new(cargo());
    // A package alone has other features, and would be another build.
    command.args(["bench", "--quiet", "--workspace", "--bench", "soak", "--"]).args(numbers);
    let status = command.status().context("cargo bench")?;
    ensure!(status.success(), "the soak failed");
    Ok(())
}
