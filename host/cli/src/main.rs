//! The command `arcllm`.

mod args;
mod audit;
mod bounded;
mod check;
mod compiling;
mod completions;
mod config;
mod demo;
mod event_rate;
mod failure;
mod invoke;
mod log;
mod models;
mod module;
mod modules;
mod output;
mod progress;
mod report;
mod serve;
mod simulate;
mod timeline;
mod told;
mod trust;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Args, Command};
use failure::Failure;
use log::Log;

/// A call of the gateway takes a sixth less processor time with it than with the allocator of the GNU C library, and open streams
/// take less memory. It does not build with Microsoft's compiler.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Settings of the allocator, as a text of C: <https://jemalloc.net/jemalloc.3.html#tuning>. Memory that nobody uses goes back to the
/// system after a second, by threads that the allocator has on Linux. By default it stays until more calls come, so that 10,000
/// streams that began at once keep half as much again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[used]
#[expect(unsafe_code, reason = "nothing else has this name, and the text ends with a zero")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8; 43] = b"background_thread:true,dirty_decay_ms:1000\0";

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return report::arguments(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report::failure(Failure::usage(format!("cannot start the threads: {error}")), false),
    };
    let json = args.command.json();
    let code = match runtime.block_on(run(args)) {
        Ok(code) => code,
        Err(failure) => report::failure(failure, json),
    };
    // A compilation may still run. Nobody waits for it.
    runtime.shutdown_background();
    code
}

async fn run(args: Args) -> Result<ExitCode, Failure> {
    let Args { log, command } = args;
    let log = Log::read(&log, matches!(command, Command::Serve(_)))?;
    // A server listens in its own way.
    if !matches!(command, Command::Serve(_)) {
        progress::listen(log.filter.clone(), command.json(), command.keeps_log());
    }
    match command {
        Command::Invoke(arguments) => invoke::run(arguments).await,
        Command::Serve(arguments) => serve::run(arguments, log).await,
        Command::Check(arguments) => check::run(arguments).await,
        Command::Modules(arguments) => modules::run(arguments).await,
        Command::Models(arguments) => models::run(&arguments),
        Command::Trust(arguments) => trust::run(&arguments),
        Command::Module(command) => module::run(command).await,
        Command::Audit(command) => audit::run(command),
        Command::Demo => demo::run().await,
        Command::Simulate(arguments) => simulate::run(arguments).await,
        Command::Completions(arguments) => completions::run(&arguments, Args::command()),
    }
}
