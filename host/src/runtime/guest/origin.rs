//! Where the bytes of a module come from.

use std::path::PathBuf;

/// Where a module's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The module is part of this library.
    BuiltIn,
    /// A file, in the modules directory or named by `sandbox.wasm`.
    File(PathBuf),
    /// A registry: the reference, with its digest.
    Registry(String),
    /// Bytes that the program gave.
    Code,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::BuiltIn => formatter.write_str("built-in"),
            Origin::File(path) => write!(formatter, "{}", path.display()),
            Origin::Registry(reference) => formatter.write_str(reference),
            Origin::Code => formatter.write_str("given in code"),
        }
    }
}
