//! `module.toml`: what a project in Go or C says about its module.

use std::{fs, path::Path};

use arcllm_module_build::About;
use serde::Deserialize;

use crate::{
    failure::Failure,
    module::build::project::{name_in, unable},
};

/// The file's name.
pub(crate) const FILE: &str = "module.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    name: String,
    version: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    authors: String,
    #[serde(default)]
    license: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    homepage: String,
    /// The world of `wit/` that the module is built for.
    pub(crate) world: String,
}

impl Manifest {
    /// Reads the file of a project.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let file = folder.join(FILE);
        let text = fs::read_to_string(&file).map_err(|error| {
            let help = "create it with name, version and world; `arcllm module new` writes one";
            Failure::usage(format!("{}: {error}\n  help: {help}", file.display()))
        })?;
        toml::from_str(&text).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
    }
}

/// What the file of a project says about its module.
pub(crate) fn about(folder: &Path) -> Result<About, Failure> {
    let manifest = Manifest::read(folder)?;
    let Manifest { name, version, description, authors, license: licenses, source, homepage, .. } = manifest;
    let name = name_in(&folder.join(FILE), "name", &name)?;
    Ok(About { name, version, description, authors, licenses, source, homepage })
}

/// Writes the generated files of a project into its folder `bindings`, in place of older ones.
pub(crate) fn write_bindings(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Failure> {
    let bindings = folder.join("bindings");
    match fs::remove_dir_all(&bindings) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unable(&bindings, &error)),
        _ => {}
    }
    for (path, bytes) in files {
        let file = bindings.join(path);
        let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, bytes));
        written.map_err(|error| unable(&file, &error))?;
    }
    Ok(())
}
