//! What cargo says of this workspace, and which of its packages are modules.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// Folders under `modules/` that are no modules.
const NO_MODULES: [&str; 2] = ["builtin", "sdk"];

/// This workspace.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// Sorted by name.
    pub(crate) modules: Vec<Module>,
}

/// A module and its package, named after the folder that it is in.
#[derive(Clone)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) license: String,
    /// File name of what the compiler makes of it.
    pub(crate) artifact: String,
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
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn read() -> Result<Self> {
        let output = Command::new(cargo()).args(["metadata", "--no-deps", "--format-version=1"]).output();
        let output = output.context("cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
        let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
        let folder = metadata.workspace_root.join("modules");
        let mut modules: Vec<_> = metadata.packages.iter().filter_map(|package| module(package, &folder)).collect();
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { root: metadata.workspace_root, target: metadata.target_directory, modules })
    }

    /// The components that `arcllm-builtin` embeds.
    pub(crate) fn prebuilt(&self) -> PathBuf {
        self.root.join("modules/builtin/prebuilt")
    }
}

/// The cargo that runs this, so that one chosen by `cargo +TOOLCHAIN` stays chosen.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn module(package: &Package, folder: &Path) -> Option<Module> {
    let home = package.manifest_path.parent()?;
    let name = home.strip_prefix(folder).ok()?.to_str()?;
    let library = package.targets.iter().find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))?;
    (!NO_MODULES.contains(&name)).then(|| Module {
        name: name.to_owned(),
        package: package.name.clone(),
        version: package.version.clone(),
        description: package.description.clone().unwrap_or_default(),
        license: package.license.clone().unwrap_or_default(),
        artifact: format!("{}.wasm", library.name.replace('-', "_")),
    })
}
