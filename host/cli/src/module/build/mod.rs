//! `arcllm module build`: builds a component with the tools of its language.

mod install;
mod javascript;
mod project;
mod python;
mod rust;
mod tool;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    failure::Failure,
    module::build::project::{Project, unable},
    output::line,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module build                      # makes NAME.wasm in this folder
  arcllm module build politeness --install

The files in the folder choose the tools. Each command that runs is shown:
  Cargo.toml       Rust: cargo build
  package.json     JavaScript: npm install if there is no node_modules, then npm run build
  app.py           Python: componentize-py from .venv or PATH; else it is installed into a new .venv

Exit codes: 0 the component is built; 1 a tool failed; 2 not a project, or a tool is missing.")]
pub(crate) struct ModuleBuild {
    /// The project's folder.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Also copy the component to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Also put the component into the modules directory of the configuration. Running programs load it at once.
    #[arg(long)]
    pub(crate) install: bool,
    /// Like --install, into this directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) modules_dir: Option<PathBuf>,
    /// The configuration file for --install.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

pub(crate) async fn run(arguments: ModuleBuild) -> Result<ExitCode, Failure> {
    // It waits for other processes.
    let building = tokio::task::spawn_blocking(move || build(arguments)).await;
    building.map_err(|error| Failure::usage(error.to_string()))?
}

/// A language's way to build.
struct Tools {
    /// The file that a project in the language has.
    file: &'static str,
    name: fn(&Path) -> Result<String, Failure>,
    build: fn(&Project) -> Result<(), Failure>,
}

static TOOLS: [Tools; 3] = [
    Tools { file: "Cargo.toml", name: rust::name, build: rust::build },
    Tools { file: "package.json", name: javascript::name, build: javascript::build },
    Tools { file: "app.py", name: python::name, build: python::build },
];

/// Finds the project in a folder, and what builds it.
fn find(dir: &Path) -> Result<(Project, &'static Tools), Failure> {
    let folder = dir.canonicalize().map_err(|error| unable(dir, &error))?;
    let tools = TOOLS.iter().find(|tools| folder.join(tools.file).is_file()).ok_or_else(|| {
        let problem = "this is not a module's project: it has no Cargo.toml, package.json or app.py";
        let help = "`arcllm module new NAME` creates a project";
        Failure::usage(format!("{}: {problem}\n  help: {help}", dir.display()))
    })?;
    Ok((Project { name: (tools.name)(&folder)?, folder }, tools))
}

fn build(arguments: ModuleBuild) -> Result<ExitCode, Failure> {
    // Found before the build, which may take minutes.
    let directory = match (&arguments.modules_dir, arguments.install) {
        (None, true) => Some(install::modules_directory(arguments.config.as_deref())?),
        (directory, _) => directory.clone(),
    };
    let project = build_project(&arguments.dir)?;
    let component = project.component();
    let Ok(metadata) = fs::metadata(&component) else {
        return Err(Failure::failed(format!("the build ended without an error, but made no {}", component.display())));
    };
    line!("built {} ({:.1} MB)", shown(&component).display(), metadata.len() as f64 / 1e6)?;
    if let Some(file) = arguments.out.filter(|file| file.canonicalize().ok() != component.canonicalize().ok()) {
        install::copy(&component, &file)?;
        line!("copied it to {}", file.display())?;
    }
    if let Some(directory) = directory {
        let file = directory.join(format!("{}.wasm", project.name));
        install::copy(&component, &file)?;
        line!("installed {}", shown(&file).display())?;
        let name = project.name;
        line!("To switch it on, add `{name}` to host.order, and `enabled = true` to [modules.{name}].")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds a project with the tools of its language.
pub(crate) fn build_project(folder: &Path) -> Result<Project, Failure> {
    let (project, tools) = find(folder)?;
    let component = project.component();
    // Removed, so that a component that is there afterwards is a new one.
    match fs::remove_file(&component) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unable(&component, &error)),
        _ => {}
    }
    (tools.build)(&project)?;
    Ok(project)
}

/// The component that the project in this folder makes, if there is a project.
pub(crate) fn component_of(folder: &Path) -> Option<PathBuf> {
    find(folder).ok().map(|(project, _)| project.component())
}

/// The path as one would type it here.
fn shown(path: &Path) -> &Path {
    let here = env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path)
}
