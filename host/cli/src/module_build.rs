//! `arcllm module build`: runs the ordinary tools of a module's language.

mod javascript;
mod python;
mod rust;
mod tool;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use arcllm::Config;

use crate::{
    args::{self, ModuleBuild},
    failure::Failure,
    output::line,
};

pub(crate) async fn run(arguments: ModuleBuild) -> Result<ExitCode, Failure> {
    // It waits for other processes.
    let building = tokio::task::spawn_blocking(move || build(arguments)).await;
    building.map_err(|error| Failure::usage(error.to_string()))?
}

/// A module's sources.
struct Project {
    /// Absolute.
    folder: PathBuf,
    /// What the module is called.
    name: String,
    /// What makes the component of it, at [`Project::component`].
    build: fn(&Project) -> Result<(), Failure>,
}

impl Project {
    fn find(folder: &Path) -> Result<Self, Failure> {
        let absolute = folder.canonicalize().map_err(|error| unable(folder, &error))?;
        let has = |file: &str| absolute.join(file).is_file();
        let (name, build): (_, fn(&Project) -> _) = if has("Cargo.toml") {
            (rust::name(&absolute)?, rust::build)
        } else if has("package.json") {
            (javascript::name(&absolute)?, javascript::build)
        } else if has("app.py") {
            (python::name(&absolute)?, python::build)
        } else {
            let help = "`arcllm module new NAME` makes one";
            let problem = "this is no module's project: none of Cargo.toml, package.json and app.py is there";
            return Err(Failure::usage(format!("{}: {problem}\n  help: {help}", folder.display())));
        };
        Ok(Self { folder: absolute, name, build })
    }

    fn component(&self) -> PathBuf {
        self.folder.join(format!("{}.wasm", self.name))
    }
}

fn build(arguments: ModuleBuild) -> Result<ExitCode, Failure> {
    let project = Project::find(&arguments.dir)?;
    // Before the minutes that a build can take, since it can fail.
    let directory = modules_directory(&arguments)?;
    let component = project.component();
    // What is there afterwards is then what was built.
    match fs::remove_file(&component) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unable(&component, &error)),
        _ => {}
    }
    (project.build)(&project)?;
    let size = match fs::metadata(&component) {
        Ok(metadata) => metadata.len(),
        Err(_) => return Err(Failure::failed(format!("the build has not made {}", component.display()))),
    };
    line!("built {} ({:.1} MB)", shown(&component).display(), size as f64 / 1e6)?;
    if let Some(file) = arguments.out.filter(|file| file.canonicalize().ok() != component.canonicalize().ok()) {
        copy(&component, &file)?;
        line!("copied it to {}", file.display())?;
    }
    if let Some(directory) = directory {
        let file = directory.join(format!("{}.wasm", project.name));
        copy(&component, &file)?;
        line!("installed {}", shown(&file).display())?;
        line!(
            "[modules.{name}] with `enabled = true`, and its place in host.order, switch it on",
            name = project.name
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn modules_directory(arguments: &ModuleBuild) -> Result<Option<PathBuf>, Failure> {
    if arguments.modules_dir.is_some() || !arguments.install {
        return Ok(arguments.modules_dir.clone());
    }
    let config = match &arguments.config {
        Some(file) => Config::load(file)?,
        None => Config::find()?,
    };
    let help = "name one with --config FILE, or the directory with --modules-dir DIR";
    let missing = || Failure::usage(format!("there is no configuration, and so no modules directory\n  help: {help}"));
    config.modules_dir.map(Some).ok_or_else(missing)
}

/// Puts the whole file there at once: a host may be reading what it replaces.
fn copy(component: &Path, file: &Path) -> Result<(), Failure> {
    let beside = file.with_extension(format!("wasm-{}", std::process::id()));
    let copied = (|| {
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(component, &beside)?;
        fs::rename(&beside, file)
    })();
    copied.map_err(|error| {
        // There may be none.
        let _ = fs::remove_file(&beside);
        unable(file, &error)
    })
}

/// The folder's name, for languages whose projects have none of their own.
fn name_of_folder(folder: &Path) -> Result<String, Failure> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    args::name(name)
        .map_err(|expected| Failure::usage(format!("{}: the folder names the module; {expected}", folder.display())))
}

/// The name that a file of the project gives.
fn name_in(file: &Path, key: &str, name: &str) -> Result<String, Failure> {
    args::name(name).map_err(|expected| Failure::usage(format!("{}: `{key}` is {name:?}; {expected}", file.display())))
}

/// The path as one would type it here.
fn shown(path: &Path) -> &Path {
    let here = env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path)
}

fn unable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}
