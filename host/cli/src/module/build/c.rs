//! Builds a module in C: writes its bindings, compiles it to core WebAssembly with clang, and makes a component of that.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

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

const GET_CLANG: &str = "install clang for WebAssembly; on Debian: apt-get install clang lld wasi-libc \
                         libclang-rt-dev-wasm32; elsewhere set WASI_SDK_PATH to the folder of a WASI SDK";

pub(crate) fn build(project: &Project) -> Result<(), Failure> {
    let folder = &project.folder;
    let wit = folder.join("wit");
    let world = Manifest::read(folder)?.world;
    let bindings = World::in_folder(&wit, &world)
        .and_then(|mut world| world.bindings_for_c())
        .map_err(|error| Failure::failed(format!("{}: {error:#}", wit.display())))?;
    write_bindings(folder, &bindings)?;
    let artifact = format!("bindings/{}.core.wasm", project.about.name);
    // The stack comes first in the memory, so that a call that needs too much of it traps and writes over no data.
    let linked = "-Wl,--strip-all,--stack-first";
    let mut arguments = ["--target=wasm32-wasi", "-Os", "-mexec-model=reactor", linked, "-Ibindings", "-o", &artifact]
        .map(str::to_owned)
        .to_vec();
    arguments.extend(sources(folder)?);
    let generated = bindings.iter().map(|(path, _)| path).filter(|path| path.ends_with(".c") || path.ends_with(".o"));
    arguments.extend(generated.map(|path| format!("bindings/{path}")));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    tool::run(folder, clang(), &arguments, GET_CLANG)?;
    core::componentize(&folder.join(artifact), Some((Some(&wit), &world)), project)
}

/// The one of the WASI SDK, or the one in `PATH`.
fn clang() -> PathBuf {
    env::var_os("WASI_SDK_PATH").map_or_else(|| PathBuf::from("clang"), |sdk| PathBuf::from(sdk).join("bin/clang"))
}

/// The files `*.c` in the project's folder, sorted, without those that begin with `test`.
fn sources(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| unable(folder, &error))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut sources: Vec<_> = names.filter(|name| name.ends_with(".c") && !name.starts_with("test")).collect();
    sources.sort();
    Ok(sources)
}
