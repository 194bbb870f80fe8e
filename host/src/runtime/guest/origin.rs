//! Where the bytes of a module come from.

use std::path::PathBuf;

/// Where a module's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The module is part of this library.
    BuiltIn,
    /// A file, in the modules directory or named by `sandbox.wasm`.
    File(PathBuf),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::BuiltIn => formatter.write_str("built-in"),
            Origin::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}
