//! Builds a module in JavaScript with `npm run build`.

use std::{fs, path::Path};

use arcllm_module_build::About;
use serde_json::Value;

use crate::{
    failure::Failure,
    module::build::{
        project::{Project, name_in},
        tool,
    },
};

const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };
const GET_NPM: &str = "install Node 20 or newer with npm; on Debian: apt-get install nodejs npm";

/// Reads `package.json`. The name has no scope.
pub(crate) fn about(folder: &Path) -> Result<About, Failure> {
    let file = folder.join("package.json");
    let unable = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", file.display()));
    let text = fs::read_to_string(&file).map_err(|error| unable(&error))?;
    let package: Value = serde_json::from_str(&text).map_err(|error| unable(&error))?;
    // Authors and repositories are texts, or objects with such a key.
    let text = |key: &str, inner: &str| {
        let value = package.get(key).map(|value| value.get(inner).unwrap_or(value));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let name = text("name", "");
    Ok(About {
        name: name_in(&file, "name", name.rsplit('/').next().unwrap_or(&name))?,
        version: text("version", ""),
        description: text("description", ""),
        authors: text("author", "name"),
        licenses: text("license", ""),
        source: text("repository", "url"),
        homepage: text("homepage", ""),
    })
}

pub(crate) fn build(project: &Project) -> Result<(), Failure> {
    if !project.folder.join("node_modules").is_dir() {
        // `ci` installs exactly what the lock file names.
        let install = if project.folder.join("package-lock.json").is_file() { "ci" } else { "install" };
        tool::run(&project.folder, NPM, &[install, "--no-audit", "--no-fund"], GET_NPM)?;
    }
    tool::run(&project.folder, NPM, &["run", "build"], GET_NPM)?;
    project.tell()
}
