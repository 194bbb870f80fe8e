//! The command `arcllm`.

mod args;
mod check;
mod demo;
mod failure;
mod invoke;
mod module_build;
mod module_inspect;
mod module_new;
mod module_test;
mod modules;
mod output;
mod pace;
mod progress;
mod simulate;
mod streamed;
mod templates;
mod timeline;
mod trust;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Args, Command};
use failure::Failure;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return failure::of_arguments(&error),
    };
    progress::listen();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::usage(format!("the runtime does not start: {error}")).report(false),
    };
    let json = args.command.json();
    let code = match runtime.block_on(run(args.command)) {
        Ok(code) => code,
        Err(failure) => failure.report(json),
    };
    // Whatever still runs, a compilation for one, is of no use to anybody.
    runtime.shutdown_background();
    code
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Invoke(arguments) => invoke::run(arguments).await,
        Command::Check(arguments) => check::run(arguments).await,
        Command::Modules(arguments) => modules::run(arguments).await,
        Command::Trust(arguments) => trust::run(&arguments),
        Command::Module(args::Module::New(arguments)) => module_new::run(arguments),
        Command::Module(args::Module::Build(arguments)) => module_build::run(arguments).await,
        Command::Module(args::Module::Inspect(arguments)) => module_inspect::run(arguments).await,
        Command::Module(args::Module::Test(arguments)) => module_test::run(arguments).await,
        Command::Demo => demo::run().await,
        Command::Simulate(arguments) => simulate::run(arguments).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "arcllm", &mut script);
            output::line!("{}", String::from_utf8_lossy(&script).trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
