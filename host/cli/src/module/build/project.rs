//! A module's project: its folder, and what it says about the module.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::SystemTime,
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

    /// Whether there is a component, and it is newer than everything that it is built from.
    pub(crate) fn is_built(&self) -> bool {
        let built = File::open(&self.component).and_then(|mut file| {
            let mut begins = [0; COMPONENT.len()];
            file.read_exact(&mut begins)?;
            Ok((begins == COMPONENT).then_some(file.metadata()?.modified()?))
        });
        matches!(built, Ok(Some(built)) if newest(&self.folder).is_ok_and(|source| source < built))
    }
}

/// How a component begins, by the specification of the component model.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// The folders that tools write, and no person.
const OUTPUT: [&str; 5] = ["target", "node_modules", ".venv", "__pycache__", ".git"];

/// When a source in this folder changed last.
fn newest(folder: &Path) -> io::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let is_output =
            OUTPUT.iter().any(|output| name == *output) || entry.extension().is_some_and(|ending| ending == "wasm");
        if is_output {
            continue;
        }
        let metadata = fs::symlink_metadata(&entry)?;
        let changed = metadata.modified()?.max(if metadata.is_dir() { self::newest(&entry)? } else { newest });
        newest = newest.max(changed);
    }
    Ok(newest)
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
