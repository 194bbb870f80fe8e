//! How the command fails: what it prints and its exit code.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use arcllm::{ConfigError, Error, ErrorKind, plain};
use serde_json::json;

use crate::output::{self, tell};

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// The most characters of an error.
const LONGEST: usize = 10_000;

/// Why there is no answer.
pub(crate) enum Failure {
    /// The arguments, or what they point to, will not do.
    Usage(String),
    /// Something that the command runs has not done its work.
    Failed(String),
    /// The invoke failed, or the configuration will not do.
    Error(Box<Error>),
    /// The answer could not be written.
    Output(std::io::Error),
    /// It has been told; nothing is left but to fail.
    Told,
}

impl Failure {
    /// The arguments, or what they point to, will not do.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure::Usage(message.into())
    }

    /// Something that the command runs has not done its work.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Failure::Failed(message.into())
    }

    /// Prints the failure and gives its exit code: 2 for a mistake in the configuration or the arguments, 1 for all else.
    pub(crate) fn report(self, json: bool) -> ExitCode {
        match self {
            Failure::Usage(message) => usage(&message, json),
            Failure::Failed(message) => {
                error(&message);
                ExitCode::from(1)
            }
            Failure::Told => ExitCode::from(2),
            Failure::Output(error) => {
                // Whoever closed the pipe has read enough.
                if error.kind() != std::io::ErrorKind::BrokenPipe {
                    self::error(&format!("standard output: {error}"));
                }
                ExitCode::from(1)
            }
            Failure::Error(error) if json => match output::json(&json!({ "error": &*error })) {
                Ok(()) => code(&error),
                Err(failure) => failure.report(false),
            },
            Failure::Error(error) => {
                // No line of what a stranger worded looks like a message of its own.
                let message = error.to_string().replace('\n', "\n  ").replace("\n    help:", "\n  help:");
                self::error(&message);
                code(&error)
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(Box::new(error))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::from(Error::from(error))
    }
}

/// Arguments that `clap` refused, or a help text that was asked for.
pub(crate) fn of_arguments(error: &clap::Error) -> ExitCode {
    // What the arguments were is not known, but whether a program reads the answer can be seen.
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
        });
        if let Err(failure) = output::json(&json!({ "error": error })) {
            return failure.report(false);
        }
    } else {
        error(message);
    }
    ExitCode::from(2)
}

/// Tells an error. Whoever worded it, it does nothing to a terminal.
fn error(message: &str) {
    tell(format_args!("{ERROR}error:{ERROR:#} {}\n", plain::lines(message, LONGEST)));
}

fn code(error: &Error) -> ExitCode {
    match error.kind {
        ErrorKind::Config(_) | ErrorKind::Usage(_) => ExitCode::from(2),
        _ => ExitCode::from(1),
    }
}
