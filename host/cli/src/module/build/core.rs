//! Makes components of core modules.

use std::{fs, path::Path};

use arcllm_module_build::{About, CoreModule, World, core_module, encode, name_world};

use crate::{
    failure::Failure,
    module::{
        self,
        build::project::{Project, unable},
        templates,
    },
};

/// The exported function that only modules of blocking worlds have.
const BLOCKING: &str = "arcllm:llm/llm-provider-blocking@0.1.0#invoke";

/// Makes a component of a core module that another tool has built. Of `NAME.core.wasm` it makes `NAME.wasm`, and of
/// `NAME.wasm` it makes `NAME.component.wasm`.
pub(crate) fn build(core: &Path, world: Option<&str>) -> Result<Project, Failure> {
    let core = core.canonicalize().map_err(|error| unable(core, &error))?;
    let folder = core.parent().map(Path::to_owned).unwrap_or_default();
    let stem = core.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let (name, file) = match stem.strip_suffix(".core") {
        Some(name) => (name, format!("{name}.wasm")),
        None => (stem, format!("{stem}.component.wasm")),
    };
    let about = About { name: name_of_file(&core, name)?, ..About::default() };
    let project = Project { component: folder.join(file), folder, about };
    let wit = project.folder.join("wit");
    componentize(&core, world.map(|world| (wit.is_dir().then_some(&*wit), world)), &project)?;
    Ok(project)
}

fn name_of_file(core: &Path, name: &str) -> Result<String, Failure> {
    module::name::name(name).map_err(|expected| {
        Failure::usage(format!("{}: the module has the name of this file; {expected}", core.display()))
    })
}

/// A world, and the folder of its WIT package. Without a folder, the package is the one of this program.
type WorldOfCore<'a> = (Option<&'a Path>, &'a str);

/// Makes the component of a project from a core module, which is built for this world or names its world itself.
pub(crate) fn componentize(core: &Path, world: Option<WorldOfCore<'_>>, project: &Project) -> Result<(), Failure> {
    let mut bytes = fs::read(core).map_err(|error| unable(core, &error))?;
    if !bytes.starts_with(b"\0asm") {
        let help = "name the .wasm file that a compiler has made";
        return Err(Failure::usage(format!(
            "{}: this is not a core WebAssembly module: it begins otherwise\n  help: {help}",
            core.display()
        )));
    }
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error:#}", core.display()));
    let found = core_module(&bytes).map_err(|error| {
        Failure::usage(format!("{}: this is not a core WebAssembly module: {error:#}", core.display()))
    })?;
    if !found.names_world {
        let world = world_of(&found, world).map_err(|error| failed(&error))?;
        name_world(&mut bytes, &world).map_err(|error| failed(&error))?;
    }
    let component = encode(&bytes, &project.about, &[]).map_err(|error| {
        let help = "docs/other-languages.md shows what a module exports";
        Failure::failed(format!("{}: it does not fit its world: {error:#}\n  help: {help}", core.display()))
    })?;
    fs::write(&project.component, component).map_err(|error| unable(&project.component, &error))
}

fn world_of(core: &CoreModule, world: Option<WorldOfCore<'_>>) -> anyhow::Result<World> {
    match world {
        Some((Some(wit), world)) => World::in_folder(wit, world),
        Some((None, world)) => World::in_files(templates::WIT, world),
        // A world with everything: what the module does not use is left out.
        None if core.exports.iter().any(|export| export == BLOCKING) => {
            World::in_files(templates::WIT, "module-blocking-with-all")
        }
        None => World::in_files(templates::WIT, "module-with-all"),
    }
}
