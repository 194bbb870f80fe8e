//! Builds a module in Python with `componentize-py`, which puts a Python interpreter into the component.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use arcllm_module_build::About;

use crate::{
    failure::Failure,
    module::build::{
        project::{Project, name_in, name_of_folder, unable},
        tool,
    },
};

const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };
const SCRIPTS: &str = if cfg!(windows) { ".venv/Scripts" } else { ".venv/bin" };
/// The world of a module whose `pyproject.toml` names none in `tool.arcllm.world`.
const WORLD: &str = "module-world";
const GET_PYTHON: &str = "install Python 3.10 or newer, with `venv`; on Debian: apt-get install python3-venv";

/// Reads the table `project` in `pyproject.toml`. Without a name in it, the folder's name is the module's.
pub(crate) fn about(folder: &Path) -> Result<About, Failure> {
    let (file, table) = pyproject(folder)?;
    let project = table.get("project").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let text = |key: &str| project.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    let link =
        |name: &str| project.get("urls").and_then(|urls| urls.get(name)?.as_str()).unwrap_or_default().to_owned();
    let authors = project.get("authors").and_then(toml::Value::as_array).into_iter().flatten();
    let authors: Vec<_> = authors.filter_map(|author| author.get("name")?.as_str()).collect();
    Ok(About {
        name: match project.get("name").and_then(toml::Value::as_str) {
            Some(name) => name_in(&file, "project.name", name)?,
            None => name_of_folder(folder)?,
        },
        version: text("version"),
        description: text("description"),
        authors: authors.join(", "),
        licenses: text("license"),
        source: link("Repository"),
        homepage: link("Homepage"),
    })
}

/// `pyproject.toml`; empty if there is none.
fn pyproject(folder: &Path) -> Result<(PathBuf, toml::Table), Failure> {
    let file = folder.join("pyproject.toml");
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|error| unable(&file, &error))?,
    };
    let table = text.parse().map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    Ok((file, table))
}

pub(crate) fn build(project: &Project) -> Result<(), Failure> {
    let (_, table) = pyproject(&project.folder)?;
    let world = table.get("tool").and_then(|tool| tool.get("arcllm")?.get("world")?.as_str()).unwrap_or(WORLD);
    let componentize = componentize_py(&project.folder)?;
    let out = format!("{}.wasm", project.about.name);
    let arguments = ["-d", "wit", "-w", world, "componentize", "app", "-o", &out];
    tool::run(&project.folder, componentize, &arguments, "add componentize-py to requirements.txt, and remove .venv")?;
    project.tell()
}

/// Finds the one in the project, or one in `PATH` of the version that the project wants, or installs it.
fn componentize_py(folder: &Path) -> Result<PathBuf, Failure> {
    let scripts = folder.join(SCRIPTS);
    let own = scripts.join(format!("componentize-py{}", std::env::consts::EXE_SUFFIX));
    if own.is_file() {
        return Ok(own);
    }
    let file = folder.join("requirements.txt");
    let wanted = fs::read_to_string(&file).map_err(|error| {
        let help = "create it, with a line such as `componentize-py==0.25.1`";
        Failure::usage(format!("{}: {error}\n  help: {help}", file.display()))
    })?;
    if is_in_path(folder, &wanted) {
        return Ok(PathBuf::from("componentize-py"));
    }
    tool::run(folder, PYTHON, &["-m", "venv", ".venv"], GET_PYTHON)?;
    let python = scripts.join(format!("python{}", std::env::consts::EXE_SUFFIX));
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"];
    tool::run(folder, python, &install, GET_PYTHON)?;
    Ok(own)
}

/// Tells whether `PATH` has exactly the wanted version: another one may write other bindings.
fn is_in_path(folder: &Path, wanted: &str) -> bool {
    let Ok(answer) = tool::output(folder, "componentize-py", &["--version"]) else { return false };
    let version = String::from_utf8_lossy(&answer.stdout).trim().replace(' ', "==");
    answer.status.success() && wanted.lines().any(|line| line.trim() == version)
}
