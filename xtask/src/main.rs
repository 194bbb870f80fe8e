//! Automation of the workspace, run as `cargo xtask`.

mod compile;
mod digest;
mod fuzz;
mod layers;
mod modules;
mod soak;
mod workspace;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Automation of the ArcLLM workspace
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build every module into a WebAssembly component
    Modules {
        /// Build nothing, and fail if a component is older than its sources
        #[arg(long)]
        check: bool,
        /// The folder of the components [default: modules/builtin/prebuilt, and tests/prebuilt for those of the tests]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Fail if files import each other in a circle, or against the order of rooms in ARCHITECTURE.md
    Layers,
    /// Make many calls while instances trap and callers leave. Fail if a call is lost or memory grows
    Soak(soak::Soak),
    /// Feed the fuzz targets with inputs of libFuzzer. Fail if an input breaks one
    Fuzz(fuzz::Fuzz),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Modules { check: true, out } => modules::check(out),
        Command::Modules { check: false, out } => modules::build(out),
        Command::Layers => layers::run(),
        Command::Soak(soak) => soak::run(&soak),
        Command::Fuzz(fuzz) => fuzz::run(&fuzz),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
