//! A module's project: its folder, and what it says about the module.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use arcllm_module_build::{About, tell};

use crate::{failure::Failure, module};

/// A module's sources.
pub(crate) struct Project {
    /// Absolute.
    pub(crate) folder: PathBuf,
    /// What the component says about itself. Its name is the module's.
    pub(crate) about: About,
    /// The file that the build makes.
    pub(crate) component: PathBuf,
}

impl Project {
    /// Adds what the project says about the module to the component, which a tool has made. Nothing happens if it made
    /// none.
    pub(crate) fn tell(&self) -> Result<(), Failure> {
        let file = &self.component;
        let component = match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(|error| unable(file, &error))?,
        };
        let told = tell(&component, &self.about, &[])
            .map_err(|error| Failure::failed(format!("{}: this is not a component: {error:#}", file.display())))?;
        fs::write(file, told).map_err(|error| unable(file, &error))
    }
}

/// The name of the folder, for a project that has none of its own.
pub(crate) fn name_of_folder(folder: &Path) -> Result<String, Failure> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    module::name::name(name).map_err(|expected| {
        Failure::usage(format!("{}: the module has the name of this folder; {expected}", folder.display()))
    })
}

/// The name that a file of the project gives.
pub(crate) fn name_in(file: &Path, key: &str, name: &str) -> Result<String, Failure> {
    module::name::name(name)
        .map_err(|expected| Failure::usage(format!("{}: `{key}` is {name:?}; {expected}", file.display())))
}

/// The error of a file that cannot be read or written.
pub(crate) fn unable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}
