//! Where the files of the workspace are.

use std::{env, path::PathBuf};

use super::chain::MODULES;

/// The workspace.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The component of a module in `tests/modules`.
pub(crate) fn test_module(name: &str) -> PathBuf {
    match env::var_os(MODULES) {
        Some(folder) => PathBuf::from(folder).join("tests").join(format!("{name}.wasm")),
        None => root().join(format!("tests/prebuilt/{name}.wasm")),
    }
}

/// The component of a built-in module.
pub(crate) fn built_in_module(name: &str) -> PathBuf {
    match env::var_os(MODULES) {
        Some(folder) => PathBuf::from(folder).join(format!("{name}.wasm")),
        None => root().join(format!("modules/builtin/prebuilt/{name}.wasm")),
    }
}
