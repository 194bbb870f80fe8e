//! The projects that `arcllm module new` writes. They are the modules in `modules/examples`, which are built and tested as
//! any other, and carry the whole of `wit/`.

use crate::args::Language;

/// A file: its path inside the project, and what it holds.
pub(crate) type File = (&'static str, &'static str);

/// What the module is called in a template. It stands nowhere but for the name.
const PLACEHOLDER: &str = "guardrail";

macro_rules! files {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../templates/", $folder, "/", $path)))),*]
    };
}

macro_rules! wit {
    ($($path:literal),* $(,)?) => {
        &[$((concat!("wit/", $path), include_str!(concat!("../wit/", $path)))),*]
    };
}

const PYTHON: &[File] = files![
    "guardrail-python":
    ".gitignore",
    "README.md",
    "app.py",
    "policy.py",
    "pyproject.toml",
    "requirements.txt",
    "scenarios.toml",
    "test_policy.py",
];

const JAVASCRIPT: &[File] = files![
    "guardrail-javascript":
    ".gitignore",
    "README.md",
    "app.js",
    "build.mjs",
    "package.json",
    "policy.js",
    "policy.test.js",
    "scenarios.toml",
];

const RUST: &[File] = &[];

const WIT: &[File] = wit![
    "deps/wasi-clocks.wit",
    "deps/wasi-logging.wit",
    "deps/wasi-random.wit",
    "llm-provider.wit",
    "models.wit",
    "module.wit",
    "state.wit",
    "streams.wit",
    "types.wit",
];

/// The files of a project for a module of this name; none if there is no template yet.
pub(crate) fn project(language: Language, name: &str) -> Vec<(&'static str, String)> {
    let own = match language {
        Language::Rust => RUST,
        Language::Python => PYTHON,
        Language::Javascript => JAVASCRIPT,
    };
    let named = own.iter().map(|(path, text)| (*path, text.replace(PLACEHOLDER, name)));
    let wit = WIT.iter().filter(|_| !own.is_empty()).map(|(path, text)| (*path, (*text).to_owned()));
    named.chain(wit).collect()
}
