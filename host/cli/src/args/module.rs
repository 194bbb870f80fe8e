//! What `arcllm module new` and `arcllm module build` take.

use std::path::PathBuf;

use clap::ValueEnum;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module new politeness --lang python
  cd politeness
  arcllm module build
  arcllm module test politeness.wasm --scenarios scenarios.toml
  arcllm module build --install

The project is a small module that works, with tests, scenarios and the WIT package that it is built for. Nothing but the
tools that its README names is needed to build it.")]
pub(crate) struct ModuleNew {
    /// What the module is called: lower-case letters, digits and dashes, a letter first.
    #[arg(value_parser = name)]
    pub(crate) name: String,
    /// The language that it is written in.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub(crate) lang: Language,
    /// The project's folder, which must not exist or be empty; by default NAME in this one.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

/// A language that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Python,
    Javascript,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module build                      # NAME.wasm in this folder
  arcllm module build politeness --install

What the folder holds says which tools make the component, and each that runs is shown:
  Cargo.toml                               Rust
  package.json                             JavaScript: npm install if there is no node_modules, npm run build
  app.py                                   Python: componentize-py from .venv or PATH; where there is none, a .venv is
                                           made, and requirements.txt installed into it

Exit codes: 0 it is built; 1 a tool failed; 2 the folder is no project, or a tool is not there.")]
pub(crate) struct ModuleBuild {
    /// The project's folder.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Where the component is copied to besides DIR/NAME.wasm.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Also put it into the configuration's modules directory, at once and whole: a program that runs takes it up.
    #[arg(long)]
    pub(crate) install: bool,
    /// As --install, into this directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) modules_dir: Option<PathBuf>,
    /// The configuration whose `host.modules_dir` --install means.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// A module's name.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
    let goes_on = text.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '-');
    match begins && goes_on && !text.ends_with('-') {
        true => Ok(text.to_owned()),
        false => Err("expected lower-case letters, digits and dashes, a letter first, such as `my-module`".to_owned()),
    }
}
