//! Runs the tools that build a module.

use std::{
    ffi::OsStr,
    io,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::{failure::Failure, output::tell, progress::Spinner};

/// Runs a program in this folder, and shows its output if it fails. `get` says how to install it.
pub(crate) fn run(folder: &Path, program: impl AsRef<OsStr>, arguments: &[&str], get: &str) -> Result<(), Failure> {
    let program = program.as_ref();
    // The path inside the folder is enough.
    let name = Path::new(program).strip_prefix(folder).unwrap_or(Path::new(program)).display().to_string();
    let line = [&[name.as_str()], arguments].concat().join(" ");
    run_command(command(folder, program, arguments), &line, get)
}

/// Runs a command, and shows it as `line`.
pub(crate) fn run_command(mut command: Command, line: &str, get: &str) -> Result<(), Failure> {
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
            Err(Failure::usage(format!("the program `{name}` was not found\n  help: {get}")))
        }
        Err(error) => Err(Failure::usage(format!("`{name}` cannot be run: {error}\n  help: {get}"))),
    }
}

/// Runs a program in this folder, and returns its output.
pub(crate) fn output(folder: &Path, program: impl AsRef<OsStr>, arguments: &[&str]) -> io::Result<Output> {
    command(folder, program, arguments).stdin(Stdio::null()).output()
}

/// A command that runs a program in this folder.
pub(crate) fn command(folder: &Path, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command
}
