//! Builds a module in JavaScript with `npm run build`.

use std::{fs, path::Path};

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

/// Reads `name` in `package.json`, without its scope.
pub(crate) fn name(folder: &Path) -> Result<String, Failure> {
    let file = folder.join("package.json");
    let unable = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", file.display()));
    let text = fs::read_to_string(&file).map_err(|error| unable(&error))?;
    let package: Value = serde_json::from_str(&text).map_err(|error| unable(&error))?;
    let name = package.get("name").and_then(Value::as_str).unwrap_or_default();
    name_in(&file, "name", name.rsplit('/').next().unwrap_or(name))
}

pub(crate) fn build(project: &Project) -> Result<(), Failure> {
    if !project.folder.join("node_modules").is_dir() {
        tool::run(&project.folder, NPM, &["install", "--no-audit", "--no-fund"], GET_NPM)?;
    }
    tool::run(&project.folder, NPM, &["run", "build"], GET_NPM)
}
