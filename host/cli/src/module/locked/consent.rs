//! What a person agrees to.

use std::io::{self, BufRead as _, IsTerminal as _};

use arcllm::Grant;

use crate::{failure::Failure, output::tell};

/// Asks a question on the terminal. `yes` answers it.
///
/// # Errors
///
/// Where the answer is no, or nobody can be asked. `help` says how to answer without a terminal.
pub(crate) fn agreed(question: &str, yes: bool, help: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::usage(format!("nothing was changed: there is no terminal to ask you on\n  help: {help}")));
    }
    tell(format_args!("\n{question} [y/N] "));
    let mut answer = String::new();
    // The end of the input is a no.
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::usage(format!("cannot read your answer: {error}")))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was changed")),
    }
}

/// Reads a grant as one types it.
pub(crate) fn grant(text: &str) -> Result<Grant, String> {
    text.parse()
}

/// The grants of these names, each as far as `given` says, and all others of `given`.
pub(crate) fn grants(asked: &[String], given: &[Grant]) -> Vec<Grant> {
    let missing = asked.iter().filter(|asked| !given.iter().any(|grant| grant.name == **asked));
    given.iter().cloned().chain(missing.map(Grant::from)).collect()
}

/// Grants as one reads them.
pub(crate) fn shown<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> String {
    let shown: Vec<String> = grants.into_iter().map(ToString::to_string).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

/// Grants as one types them for a command.
pub(crate) fn typed<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> String {
    let typed = grants.into_iter().map(|grant| match grant.typed() {
        text if text.contains([' ', '\'', '"', '$']) => format!("--allow {text:?}"),
        text => format!("--allow {text}"),
    });
    typed.collect::<Vec<_>>().join(" ")
}
