//! Puts a component where a host finds it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{config::config, failure::Failure, module::build::project::unable};

/// The modules directory of a configuration, by default the one that the environment points to.
pub(crate) fn modules_directory(file: Option<&Path>) -> Result<PathBuf, Failure> {
    config(file)?.modules_dir.ok_or_else(|| {
        let help = "name the configuration with --config FILE, or the directory with --modules-dir DIR";
        Failure::usage(format!("no configuration was found, and so no modules directory\n  help: {help}"))
    })
}

/// Copies a component in one step: a host may be reading the file that it replaces.
pub(crate) fn copy(component: &Path, file: &Path) -> Result<(), Failure> {
    let beside = file.with_extension(format!("wasm-{}", std::process::id()));
    let copied = (|| {
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(component, &beside)?;
        fs::rename(&beside, file)
    })();
    copied.map_err(|error| {
        // It may not exist.
        let _ = fs::remove_file(&beside);
        unable(file, &error)
    })
}
