//! Other people's programs: run, shown, and told of where they fail.

use std::{
    ffi::OsStr,
    io,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::{failure::Failure, output::tell, progress::Spinner};

/// Runs a program in this folder. `get` says how to come by it. What it writes is shown where it fails.
pub(super) fn run(folder: &Path, program: impl AsRef<OsStr>, arguments: &[&str], get: &str) -> Result<(), Failure> {
    let program = program.as_ref();
    // An absolute path only says where the folder is.
    let name = Path::new(program).strip_prefix(folder).unwrap_or(Path::new(program)).display().to_string();
    let line = [&[name.as_str()], arguments].concat().join(" ");
    run_command(command(folder, program, arguments), &line, get)
}

/// The same with a command that says more than what is shown of it.
pub(super) fn run_command(mut command: Command, line: &str, get: &str) -> Result<(), Failure> {
    let name = line.split(' ').next().unwrap_or_default();
    tell(format_args!("running {line}\n"));
    let mut spinner = Spinner::start(true);
    spinner.say(line.to_owned());
    let output = command.stdin(Stdio::null()).output();
    spinner.stop();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            tell(String::from_utf8_lossy(&output.stdout));
            tell(String::from_utf8_lossy(&output.stderr));
            Err(Failure::failed(format!("`{line}` failed: {}", output.status)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::usage(format!("`{name}` is not there\n  help: {get}")))
        }
        Err(error) => Err(Failure::usage(format!("`{name}` cannot be run: {error}\n  help: {get}"))),
    }
}

/// What a program answers.
pub(super) fn output(folder: &Path, program: impl AsRef<OsStr>, arguments: &[&str]) -> io::Result<Output> {
    command(folder, program, arguments).stdin(Stdio::null()).output()
}

fn command(folder: &Path, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command
}
