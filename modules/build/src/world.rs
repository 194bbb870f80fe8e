//! The worlds of WIT packages.

use std::path::Path;

use anyhow::Result;
use wit_bindgen_core::wit_parser::{Resolve, SourceMap, WorldId};

/// A world of a WIT package.
pub struct World {
    pub(crate) resolve: Resolve,
    pub(crate) id: WorldId,
}

impl World {
    /// Reads a world of the package in a folder.
    ///
    /// # Errors
    ///
    /// If the folder has no valid package, or the package has no such world.
    pub fn in_folder(folder: &Path, name: &str) -> Result<Self> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(folder)?;
        let id = resolve.select_world(&[package], Some(name))?;
        Ok(Self { resolve, id })
    }

    /// Reads a world of the package that these files make, given as path and text. A file below `deps` is a package of its
    /// own.
    ///
    /// # Errors
    ///
    /// If the files are no valid packages, or the package has no such world.
    pub fn in_files(files: &[(&str, &str)], name: &str) -> Result<Self> {
        let mut resolve = Resolve::default();
        let mut own = SourceMap::default();
        for (path, text) in files {
            match path.contains("deps/") {
                true => drop(resolve.push_str(path, text)?),
                false => own.push_str(path, *text),
            }
        }
        let group = own.parse().map_err(|(_, error)| error)?;
        let package = resolve.push_group(group)?;
        let id = resolve.select_world(&[package], Some(name))?;
        Ok(Self { resolve, id })
    }
}
