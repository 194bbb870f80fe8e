//! A module's project: its folder and its name.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{failure::Failure, module};

/// A module's sources.
pub(crate) struct Project {
    /// Absolute.
    pub(crate) folder: PathBuf,
    /// The module's name.
    pub(crate) name: String,
}

impl Project {
    /// The file that the build makes.
    pub(crate) fn component(&self) -> PathBuf {
        self.folder.join(format!("{}.wasm", self.name))
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
