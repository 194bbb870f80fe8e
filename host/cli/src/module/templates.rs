//! The projects that `arcllm module new` writes: the modules in `modules/examples`, which are built and tested like any
//! other, with the WIT package.

use clap::ValueEnum;

/// A language that has a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Python,
    Javascript,
}

/// The path of a file inside the project, and its text.
pub(crate) type File = (&'static str, &'static str);

/// The module's name in a template, and nothing else.
const PLACEHOLDER: &str = "guardrail";

macro_rules! files {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../templates/", $folder, "/", $path)))),*]
    };
}

macro_rules! wit {
    ($($path:literal),* $(,)?) => {
        &[$((concat!("wit/", $path), include_str!(concat!("../../wit/", $path)))),*]
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

const RUST: &[File] = files!["guardrail-rust": ".gitignore", "Cargo.toml", "README.md", "scenarios.toml", "src/lib.rs"];

macro_rules! sdk {
    ($($path:literal),* $(,)?) => {
        &[$((concat!("arcllm-module/", $path), include_str!(concat!("../../sdk/", $path)))),*]
    };
}

/// The SDK, which a project in Rust carries so that it builds anywhere.
const SDK: &[File] = sdk![
    "src/bindings.rs",
    "src/clock.rs",
    "src/content.rs",
    "src/endings.rs",
    "src/error.rs",
    "src/export.rs",
    "src/lib.rs",
    "src/module.rs",
    "src/panic.rs",
    "src/race.rs",
    "src/rate_limiter.rs",
    "src/rate_limiter/tests.rs",
    "src/settings/mod.rs",
    "src/settings/number.rs",
    "src/settings/names.rs",
    "src/settings/read.rs",
    "src/state.rs",
    "src/stream/mod.rs",
    "src/stream/reader.rs",
    "src/testing/endings.rs",
    "src/testing/executor.rs",
    "src/testing/imports.rs",
    "src/testing/mod.rs",
    "src/testing/pipe.rs",
    "src/testing/provider.rs",
    "src/testing/request.rs",
    "src/testing/response.rs",
    "src/testing/run.rs",
    "src/testing/script.rs",
    "src/testing/stream.rs",
    "src/testing/tests.rs",
    "src/testing/world.rs",
];

/// The manifest of that SDK. The SDK's own needs this workspace.
const SDK_MANIFEST: File = ("arcllm-module/Cargo.toml", include_str!("../../templates/arcllm-module.toml"));

/// The folder of the SDK, seen from the example and from a project.
const SDK_FOLDERS: [&str; 2] = ["../../sdk", "arcllm-module"];

const WIT: &[File] = wit![
    "deps/wasi-clocks.wit",
    "deps/wasi-logging.wit",
    "deps/wasi-random.wit",
    "endings.wit",
    "llm-provider.wit",
    "models.wit",
    "module.wit",
    "state.wit",
    "streams.wit",
    "types.wit",
];

/// Lists the files of a project for a module of this name.
pub(crate) fn project(language: Language, name: &str) -> Vec<(String, String)> {
    let own = match language {
        Language::Rust => RUST,
        Language::Python => PYTHON,
        Language::Javascript => JAVASCRIPT,
    };
    let [sdk, own_sdk] = SDK_FOLDERS;
    let named = own.iter().map(|(path, text)| (*path, text.replace(PLACEHOLDER, name).replace(sdk, own_sdk)));
    let mut files: Vec<_> = named.map(|(path, text)| (path.to_owned(), text)).collect();
    // In Rust, the SDK holds the WIT.
    let is_rust = language == Language::Rust;
    let folder = if is_rust { format!("{own_sdk}/") } else { String::new() };
    files.extend(
        SDK.iter().chain([&SDK_MANIFEST]).filter(|_| is_rust).map(|(path, text)| (path.to_string(), text.to_string())),
    );
    files.extend(WIT.iter().map(|(path, text)| (format!("{folder}{path}"), (*text).to_owned())));
    files
}
