//! Builds a module in Rust with cargo, and makes a component of the result.

use std::{fs, path::Path};

use arcllm_module_build::{About, TARGET, Toolchain, encode};
use serde::Deserialize;

use crate::{
    failure::Failure,
    module::build::{
        project::{Project, name_in, unable},
        tool,
    },
};

const GET_CARGO: &str = "install Rust with rustup: https://rustup.rs";

/// What `cargo metadata` prints.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    description: Option<String>,
    authors: Vec<String>,
    license: Option<String>,
    repository: Option<String>,
    homepage: Option<String>,
    manifest_path: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

/// Reads `Cargo.toml`.
pub(crate) fn about(folder: &Path) -> Result<About, Failure> {
    let package = package(folder)?;
    Ok(About {
        name: name_in(&folder.join("Cargo.toml"), "package.name", &package.name)?,
        version: package.version,
        description: package.description.unwrap_or_default(),
        authors: package.authors.join(", "),
        licenses: package.license.unwrap_or_default(),
        source: package.repository.unwrap_or_default(),
        homepage: package.homepage.unwrap_or_default(),
    })
}

pub(crate) fn build(project: &Project) -> Result<(), Failure> {
    let package = package(&project.folder)?;
    let manifest = project.folder.join("Cargo.toml");
    let library = package.targets.iter().find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"));
    let Some(library) = library else {
        let help = "set crate-type = [\"cdylib\", \"rlib\"] under [lib]";
        return Err(Failure::usage(format!(
            "{}: `lib.crate-type` has no \"cdylib\", so cargo makes no WebAssembly\n  help: {help}",
            manifest.display()
        )));
    };
    let toolchain = Toolchain::find().map_err(|error| Failure::usage(error.to_string()))?;
    // The folder that CARGO_TARGET_DIR names may hold an artifact of the same name from another project.
    let target = project.folder.join("target");
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error:#}", manifest.display()));
    let mut command =
        toolchain.cargo_build(&project.folder, &project.about.name, &target).map_err(|error| failed(&error))?;
    command.arg("--release");
    tool::run_command(command, &format!("cargo build --lib --release --target {TARGET}"), GET_CARGO)?;
    let artifact = format!("{}.wasm", library.name.replace('-', "_"));
    let artifact = target.join(TARGET).join("release").join(artifact);
    let core = fs::read(&artifact).map_err(|error| unable(&artifact, &error))?;
    let component = encode(&core, &project.about, &[]).map_err(|error| {
        let help = "call `arcllm_module::export!` with the type of the module";
        Failure::failed(format!("{}: {error:#}\n  help: {help}", artifact.display()))
    })?;
    fs::write(&project.component, component).map_err(|error| unable(&project.component, &error))
}

fn package(folder: &Path) -> Result<Package, Failure> {
    let manifest = folder.join("Cargo.toml");
    let arguments = ["metadata", "--no-deps", "--format-version=1"];
    let output = tool::output(folder, "cargo", &arguments)
        .map_err(|error| Failure::usage(format!("`cargo` cannot be run: {error}\n  help: {GET_CARGO}")))?;
    if !output.status.success() {
        return Err(Failure::usage(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|error| Failure::usage(format!("cargo metadata: {error}")))?;
    let mut packages = metadata.packages.into_iter();
    // A workspace has more than one.
    packages.find(|package| Path::new(&package.manifest_path) == manifest).ok_or_else(|| {
        Failure::usage(format!(
            "{}: this is a workspace and not a package\n  help: name the folder of a package",
            manifest.display()
        ))
    })
}
