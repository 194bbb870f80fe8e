//! The projects that `arcllm module new` writes: the modules in `modules/examples`, which are built and tested like any
//! other, with the WIT package.

use clap::ValueEnum;

/// A language that has a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Python,
    Javascript,
    Go,
    C,
}

/// The path of a file inside the project, and its text.
pub(crate) type File = (&'static str, &'static str);

/// The module's name in a template, and nothing else.
const PLACEHOLDER: &str = "guardrail";

/// The module's description in the files of a template that tools read.
const DESCRIPTION: &str = "\"guardrail, a module for ArcLLM\"";

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
    "package-lock.json",
    "package.json",
    "policy.js",
    "policy.test.js",
    "scenarios.toml",
];

const GO: &[File] = files![
    "guardrail-go":
    ".gitignore",
    "README.md",
    "go.mod",
    "main.go",
    "module.toml",
    "module/module.go",
    "policy/policy.go",
    "policy/policy_test.go",
    "scenarios.toml",
];

const C: &[File] = files![
    "guardrail-c":
    ".gitignore",
    "README.md",
    "module.c",
    "module.toml",
    "scenarios.toml",
    "settings.c",
    "settings.h",
    "test_settings.c",
];

const RUST: &[File] = files!["guardrail-rust": ".gitignore", "Cargo.toml", "README.md", "scenarios.toml", "src/lib.rs"];

macro_rules! sdk {
    ($($path:literal),* $(,)?) => {
        &[$((concat!("arcllm-module/", $path), include_str!(concat!("../../sdk/", $path)))),*]
    };
}

/// The SDK, which a project in Rust carries so that it builds anywhere.
const SDK: &[File] = sdk![
    "src/allowance.rs",
    "src/bindings.rs",
    "src/clock.rs",
    "src/content.rs",
    "src/cost.rs",
    "src/endings.rs",
    "src/error.rs",
    "src/export.rs",
    "src/journal.rs",
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
    "src/settings/store.rs",
    "src/settings/target.rs",
    "src/state.rs",
    "src/stream/held.rs",
    "src/stream/mod.rs",
    "src/stream/reader.rs",
    "src/testing/endings.rs",
    "src/testing/executor.rs",
    "src/testing/imports.rs",
    "src/testing/kept.rs",
    "src/testing/mod.rs",
    "src/testing/pipe.rs",
    "src/testing/provider.rs",
    "src/testing/request.rs",
    "src/testing/response.rs",
    "src/testing/run.rs",
    "src/testing/script.rs",
    "src/testing/state.rs",
    "src/testing/stream.rs",
    "src/testing/tests.rs",
    "src/testing/world.rs",
];

/// The manifest of that SDK. The SDK's own needs this workspace.
const SDK_MANIFEST: File = ("arcllm-module/Cargo.toml", include_str!("../../templates/arcllm-module.toml"));

/// The folder of the SDK, seen from the example and from a project.
const SDK_FOLDERS: [&str; 2] = ["../../sdk", "arcllm-module"];

/// The WIT package.
pub(crate) const WIT: &[File] = wit![
    "deps/wasi-clocks.wit",
    "deps/wasi-logging.wit",
    "deps/wasi-random.wit",
    "endings.wit",
    "journal.wit",
    "llm-provider.wit",
    "models.wit",
    "module.wit",
    "state.wit",
    "streams.wit",
    "types.wit",
];

/// Lists the files of a project for a module of this name and description.
pub(crate) fn project(language: Language, name: &str, description: Option<&str>) -> Vec<(String, String)> {
    let own = match language {
        Language::Rust => RUST,
        Language::Python => PYTHON,
        Language::Javascript => JAVASCRIPT,
        Language::Go => GO,
        Language::C => C,
    };
    let [sdk, own_sdk] = SDK_FOLDERS;
    let fill = |text: &str| {
        // A text in JSON is one in TOML, too.
        let described = match description.and_then(|text| serde_json::to_string(text).ok()) {
            Some(description) => text.replace(DESCRIPTION, &description),
            None => text.to_owned(),
        };
        described.replace(PLACEHOLDER, name).replace(sdk, own_sdk)
    };
    let mut files: Vec<_> = own.iter().map(|(path, text)| ((*path).to_owned(), fill(text))).collect();
    files.extend(carried(language == Language::Rust));
    files
}

/// Lists the files that a project carries and does not change: the WIT package, inside of the SDK if it is in Rust.
pub(crate) fn carried(is_rust: bool) -> Vec<(String, String)> {
    let folder = if is_rust { format!("{}/", SDK_FOLDERS[1]) } else { String::new() };
    let sdk = SDK.iter().chain([&SDK_MANIFEST]).filter(|_| is_rust);
    let sdk = sdk.map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    sdk.chain(WIT.iter().map(|(path, text)| (format!("{folder}{path}"), (*text).to_owned()))).collect()
}
