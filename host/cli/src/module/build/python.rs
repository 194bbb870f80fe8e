//! Builds a module in Python with `componentize-py`, which puts a Python interpreter into the component.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    failure::Failure,
    module::build::{
        project::{Project, name_in, name_of_folder},
        tool,
    },
};

const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };
const SCRIPTS: &str = if cfg!(windows) { ".venv/Scripts" } else { ".venv/bin" };
const GET_PYTHON: &str = "install Python 3.10 or newer, with `venv`; on Debian: apt-get install python3-venv";

/// Reads `project.name` in `pyproject.toml`. Without it, the folder's name is the module's.
pub(crate) fn name(folder: &Path) -> Result<String, Failure> {
    let file = folder.join("pyproject.toml");
    let Ok(text) = fs::read_to_string(&file) else { return name_of_folder(folder) };
    let project: toml::Table = text.parse().map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    let name = project.get("project").and_then(|project| project.get("name")?.as_str());
    name.map_or_else(|| name_of_folder(folder), |name| name_in(&file, "project.name", name))
}

pub(crate) fn build(project: &Project) -> Result<(), Failure> {
    let componentize = componentize_py(&project.folder)?;
    let out = format!("{}.wasm", project.name);
    let arguments = ["-d", "wit", "-w", "module-world", "componentize", "app", "-o", &out];
    tool::run(&project.folder, componentize, &arguments, "add componentize-py to requirements.txt, and remove .venv")
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
