//! Prints failures, and chooses the exit code.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use arcllm::{Error, ErrorKind, plain};
use serde_json::json;

use crate::{
    failure::Failure,
    output::{self, tell},
};

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// The most characters of an error.
const LONGEST: usize = 10_000;

/// Prints the failure. Returns its exit code: 2 if the configuration or an argument is wrong, else 1.
pub(crate) fn failure(failure: Failure, json: bool) -> ExitCode {
    match failure {
        Failure::Usage(message) => usage(&message, json),
        Failure::Failed(message) => {
            error(&message);
            ExitCode::from(1)
        }
        Failure::Told => ExitCode::from(2),
        Failure::Output(cause) => {
            // The reader of a pipe closes it once it has read enough.
            if cause.kind() != std::io::ErrorKind::BrokenPipe {
                error(&format!("cannot write to standard output: {cause}"));
            }
            ExitCode::from(1)
        }
        Failure::Error(error) if json => match output::json(&json!({ "error": &*error })) {
            Ok(()) => code(&error),
            Err(failure) => self::failure(failure, false),
        },
        Failure::Error(cause) => {
            // Indented, so that no line of a stranger's text looks like a message of the command.
            error(&cause.to_string().replace('\n', "\n  ").replace("\n    help:", "\n  help:"));
            code(&cause)
        }
    }
}

/// Prints why `clap` refuses the arguments, or the help text that they ask for.
pub(crate) fn arguments(error: &clap::Error) -> ExitCode {
    // The arguments are not parsed, but `--json` among them shows that a program reads the answer.
    let json = std::env::args().any(|argument| argument == "--json");
    if json && error.use_stderr() {
        let message = error.to_string();
        return usage(message.trim_start_matches("error: ").trim_end(), true);
    }
    // There is nowhere to report to if printing fails.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

fn usage(message: &str, json: bool) -> ExitCode {
    if json {
        let error = json!({
            "kind": "usage",
            "status": null,
            "message": message,
            "provider": null,
            "retry_after_seconds": null,
            "trail": [],
            "notes": [],
        });
        if let Err(failure) = output::json(&json!({ "error": error })) {
            return self::failure(failure, false);
        }
    } else {
        error(message);
    }
    ExitCode::from(2)
}

/// Prints an error, without the control characters that its text may have.
fn error(message: &str) {
    tell(format_args!("{ERROR}error:{ERROR:#} {}\n", plain::lines(message, LONGEST)));
}

/// The exit code of a call or a configuration that failed.
pub(crate) fn code(error: &Error) -> ExitCode {
    match error.kind {
        ErrorKind::Config(_) | ErrorKind::Usage(_) => ExitCode::from(2),
        _ => ExitCode::from(1),
    }
}
