//! Asks cargo about this workspace, and which of its packages are modules.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// The folders of modules, of their components, and of their components inside of `--out`: first those that
/// `arcllm-builtin` embeds, then those of the tests.
const HOMES: [(&str, &str, &str); 2] =
    [("modules", "modules/builtin/prebuilt", ""), ("tests/modules", "tests/prebuilt", "tests")];

/// Folders beside the modules that are not modules.
const NO_MODULES: [&str; 3] = ["build", "builtin", "sdk"];

/// This workspace.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// Sorted by name.
    pub(crate) modules: Vec<Module>,
}

/// A module and its package. Its folder names it.
#[derive(Clone)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) license: String,
    /// The file name of the compiled library.
    pub(crate) artifact: String,
    /// The folder of its component.
    pub(crate) prebuilt: PathBuf,
    /// The folder of its component inside of `--out`.
    pub(crate) inside: &'static str,
    /// The folders of its sources, from the root: its own, and those of the modules that it uses.
    pub(crate) homes: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    description: Option<String>,
    license: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

impl Workspace {
    /// Reads it from `cargo metadata`.
    pub(crate) fn read() -> Result<Self> {
        let output = Command::new(cargo()).args(["metadata", "--no-deps", "--format-version=1"]).output();
        let output = output.context("cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
        let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
        let root = &metadata.workspace_root;
        let mut modules: Vec<_> = metadata.packages.iter().filter_map(|package| module(package, root)).collect();
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { root: metadata.workspace_root, target: metadata.target_directory, modules })
    }
}

/// The cargo that runs this, which `cargo +TOOLCHAIN` may have chosen.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn module(package: &Package, root: &Path) -> Option<Module> {
    let home = package.manifest_path.parent()?;
    let (name, prebuilt, inside) = HOMES.iter().find_map(|(folder, prebuilt, inside)| {
        let name = home.strip_prefix(root.join(folder)).ok()?.to_str()?;
        (!name.contains('/')).then_some((name, root.join(prebuilt), *inside))
    })?;
    let library = package.targets.iter().find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))?;
    let built_on = package.dependencies.iter().filter_map(|dependency| dependency.path.as_deref());
    let homes = std::iter::once(home).chain(built_on).filter_map(|path| from_root(path, root));
    (!NO_MODULES.contains(&name)).then(|| Module {
        name: name.to_owned(),
        package: package.name.clone(),
        version: package.version.clone(),
        description: package.description.clone().unwrap_or_default(),
        license: package.license.clone().unwrap_or_default(),
        artifact: format!("{}.wasm", library.name.replace('-', "_")),
        prebuilt,
        inside,
        // The SDK is part of every module.
        homes: homes.filter(|home| home != "modules/sdk").collect(),
    })
}

/// The path from the root, with slashes on every system.
fn from_root(path: &Path, root: &Path) -> Option<String> {
    let path = path.strip_prefix(root).ok()?;
    let parts: Option<Vec<_>> = path.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("/"))
}
