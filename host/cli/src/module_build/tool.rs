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
    tell(format_args!("running {line}\n"));
    let mut spinner = Spinner::start(true);
    spinner.say(line.clone());
    let output = output(folder, program, arguments);
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
    Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output()
}
