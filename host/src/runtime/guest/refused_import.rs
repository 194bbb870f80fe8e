//! Says in plain words which import of a component this host does not have.

use crate::chat::{
    config_error::ConfigError,
    plain::{self, WORD},
};

/// The beginning of an interface's name, and what nobody gives to a module.
const NEVER: [(&str, &str); 3] = [
    ("wasi:http/", "modules have no network"),
    ("wasi:sockets/", "modules have no network"),
    ("wasi:filesystem/", "modules have no files"),
];

const OURS: &str = "arcllm:llm/";

/// An error about the import for which the component could not be linked.
pub(crate) fn refused_import(error: &wasmtime::Error) -> ConfigError {
    let text = format!("{error:#}");
    // The error has no parts. It names the interface in backticks, and behind it what is missing in the interface.
    let mut named = text.split('`').skip(1).step_by(2);
    let Some(interface) = named.next() else {
        let problem = format!("imports something that this host does not have: {text}");
        return ConfigError::new(problem).help("build it for arcllm:llm@0.1.0");
    };
    // Of an interface that this host does not have at all, the first function is missing.
    let item = named.next().filter(|_| interface.starts_with(OURS));
    let item = item.map(|item| format!("`{}` of ", plain::line(item, WORD))).unwrap_or_default();
    let (interface, has) = (plain::line(interface, WORD), "which this host");
    let problem = match text.contains("implementation is missing") {
        true => format!("imports {item}`{interface}`, {has} does not have"),
        false => format!("imports {item}`{interface}`, {has} has with another type ({})", root(error)),
    };
    let never = NEVER.iter().find(|(beginning, _)| interface.starts_with(beginning));
    match never {
        Some((_, why)) => ConfigError::new(format!("{problem}: {why}"))
            .help("build it without this import; a module asks its provider through the host"),
        None if interface.starts_with(OURS) => {
            ConfigError::new(problem).help("build it for arcllm:llm@0.1.0, or use a newer ArcLLM")
        }
        None => ConfigError::new(problem).help("build it without this import"),
    }
}

fn root(error: &wasmtime::Error) -> String {
    plain::line(&error.root_cause().to_string(), WORD).into_owned()
}
