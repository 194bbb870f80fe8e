//! `arcllm module new`: creates a project.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    failure::Failure,
    module::{
        name::name,
        templates::{self, Language},
    },
    output::line,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module new politeness --lang python --description 'Asks users to be polite'
  cd politeness
  arcllm module build
  arcllm module test politeness.wasm --scenarios scenarios.toml
  arcllm module build --install

The project is a small module that works. It has tests, scenarios and the WIT package that it is
built for. Its README names the tools that build it; nothing else is needed.")]
pub(crate) struct ModuleNew {
    /// The module's name: lower-case letters, digits and dashes, a letter first.
    #[arg(value_parser = name)]
    pub(crate) name: String,
    /// The language to write it in.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub(crate) lang: Language,
    /// What the module does, in a sentence [default: "NAME, a module for ArcLLM"]. Registries and `arcllm modules` show it.
    #[arg(long, value_name = "TEXT", value_parser = sentence)]
    pub(crate) description: Option<String>,
    /// The project's folder, new or empty [default: NAME in the working directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

/// The package that a project in Rust carries.
const SDK: &str = "arcllm-module";

fn sentence(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("expected a sentence"),
        text if text.chars().any(char::is_control) => Err("expected one line of text"),
        text => Ok(text.to_owned()),
    }
}

pub(crate) fn run(arguments: ModuleNew) -> Result<ExitCode, Failure> {
    let ModuleNew { name, lang, description, directory } = arguments;
    let folder = directory.unwrap_or_else(|| PathBuf::from(&name));
    let files = templates::project(lang, &name, description.as_deref());
    if lang == Language::Rust && name == SDK {
        let help = "choose another name; Cargo tells packages apart by their names";
        return Err(Failure::usage(format!("`{SDK}` is the name of the SDK that the project carries\n  help: {help}")));
    }
    check_is_empty(&folder)?;
    for (path, text) in &files {
        let file = folder.join(path);
        write(&file, text).map_err(|error| unable(&file, &error))?;
        line!("wrote {}", file.display())?;
    }
    if arcllm_builtin::find(&name).is_some() {
        line!("\n{}", takes_a_place(&name))?;
    }
    line!(
        "\nNext:\n  cd {}\n  arcllm module build\n  arcllm module test {name}.wasm --scenarios scenarios.toml",
        folder.display()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Warns of a name that a built-in module has.
fn takes_a_place(name: &str) -> String {
    format!(
        "warning: `{name}` is the name of a built-in module, so a host ignores {name}.wasm\n  help: choose another name; or \
         set wasm = \"{name}.wasm\" under [modules.{name}.sandbox], and your module takes the place of the built-in one"
    )
}

/// Refuses a folder with files in it, which would be overwritten.
fn check_is_empty(folder: &Path) -> Result<(), Failure> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Failure::usage(format!(
                "{}: this folder is not empty\n  help: name another one with --directory DIR",
                folder.display()
            ))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unable(folder, &error)),
    }
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(file, text)
}

fn unable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}
