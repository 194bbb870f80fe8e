//! `arcllm module build`: builds a component with the tools of its language.

mod c;
mod core;
mod go;
mod javascript;
mod manifest;
pub(crate) mod project;
mod python;
mod rust;
mod tool;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use arcllm_module_build::About;

use crate::{
    config::config,
    failure::Failure,
    module::{
        build::project::{Project, unable},
        describe::human,
        install,
    },
    output::line,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arcllm module build                      # makes NAME.wasm in this folder
  arcllm module build politeness --install
  arcllm module build politeness.core.wasm # makes politeness.wasm beside it

The files in the folder choose the tools. Each command that runs is shown:
  Cargo.toml       Rust: cargo build
  package.json     JavaScript: npm ci if there is no node_modules, then npm run build
  app.py           Python: componentize-py from .venv or PATH; else it is installed into a new .venv
  go.mod           Go: go build
  module.toml      C: clang, for all *.c but test*.c
For Go and C, bindings for the world that module.toml names are written into bindings/ first.

A core module that another tool has built becomes a component. If it does not name its world, it is
built for --world of the folder `wit` beside it, or else for a world of this program. What it
imports of WASI 0.1 becomes imports of WASI 0.2.

Exit codes: 0 the component is built; 1 a tool failed; 2 not a project, or a tool is missing.")]
pub(crate) struct ModuleBuild {
    /// The project's folder, or a core module.
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub(crate) dir: PathBuf,
    /// The world of a core module that names none.
    #[arg(long)]
    pub(crate) world: Option<String>,
    /// Also copy the component to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Also put the component into the modules directory of the configuration. Running programs load it at once. A component
    /// that is newer than its sources is installed as it is, so that what you have tested is what runs.
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
    about: fn(&Path) -> Result<About, Failure>,
    build: fn(&Project) -> Result<(), Failure>,
}

static TOOLS: [Tools; 5] = [
    Tools { file: "Cargo.toml", about: rust::about, build: rust::build },
    Tools { file: "package.json", about: javascript::about, build: javascript::build },
    Tools { file: "app.py", about: python::about, build: python::build },
    Tools { file: "go.mod", about: manifest::about, build: go::build },
    Tools { file: manifest::FILE, about: manifest::about, build: c::build },
];

/// Finds the project in a folder, and what builds it.
fn find(dir: &Path) -> Result<(Project, &'static Tools), Failure> {
    let folder = dir.canonicalize().map_err(|error| unable(dir, &error))?;
    let tools = TOOLS.iter().find(|tools| folder.join(tools.file).is_file()).ok_or_else(|| {
        let files = TOOLS.each_ref().map(|tools| tools.file).join(", ");
        let problem = format!("this is not a module's project: it has none of {files}");
        let help = "`arcllm module new NAME` creates a project";
        Failure::usage(format!("{}: {problem}\n  help: {help}", dir.display()))
    })?;
    let about = (tools.about)(&folder)?;
    let component = folder.join(format!("{}.wasm", about.name));
    Ok((Project { folder, about, component }, tools))
}

fn build(arguments: ModuleBuild) -> Result<ExitCode, Failure> {
    // Found before the build, which may take minutes.
    let directory = match (&arguments.modules_dir, arguments.install) {
        (None, true) => Some(install::modules_directory(arguments.config.as_deref())?),
        (directory, _) => directory.clone(),
    };
    let project = match arguments.dir.is_file() {
        true => core::build(&arguments.dir, arguments.world.as_deref())?,
        false if arguments.world.is_some() => {
            let help = "in a project, module.toml or pyproject.toml has the world";
            return Err(Failure::usage(format!("--world is for core modules\n  help: {help}")));
        }
        false => build_project(&arguments.dir, directory.is_some())?,
    };
    if arguments.install && arguments.modules_dir.is_none() {
        let config = config(arguments.config.as_deref())?;
        install::refuse_locked(&config, &project.about.name)?;
        install::refuse_large(&config, &project.component)?;
    }
    let component = &project.component;
    let Ok(metadata) = fs::metadata(component) else {
        return Err(Failure::failed(format!("the build ended without an error, but made no {}", component.display())));
    };
    line!("built {} ({})", shown(component).display(), human(metadata.len()))?;
    if let Some(file) = arguments.out.filter(|file| file.canonicalize().ok() != component.canonicalize().ok()) {
        install::put(component, &file)?;
        line!("copied it to {}", file.display())?;
    }
    if let Some(directory) = directory {
        let file = directory.join(format!("{}.wasm", project.about.name));
        install::put(component, &file)?;
        line!("installed {}", shown(&file).display())?;
        let name = &project.about.name;
        line!("To switch it on, add `{name}` to host.order, and `enabled = true` to [modules.{name}].")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds a project with the tools of its language.
pub(crate) fn build_project(folder: &Path, is_installed: bool) -> Result<Project, Failure> {
    let (project, tools) = find(folder)?;
    if is_installed && project.is_built() {
        line!("{} is newer than its sources, and is taken as it is", shown(&project.component).display())?;
        return Ok(project);
    }
    // Removed, so that a component that is there afterwards is a new one.
    match fs::remove_file(&project.component) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unable(&project.component, &error)),
        _ => {}
    }
    (tools.build)(&project)?;
    Ok(project)
}

/// The component that the project in this folder makes, if there is a project.
pub(crate) fn component_of(folder: &Path) -> Option<PathBuf> {
    find(folder).ok().map(|(project, _)| project.component)
}

/// The path as one would type it here.
fn shown(path: &Path) -> &Path {
    let here = env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path)
}
