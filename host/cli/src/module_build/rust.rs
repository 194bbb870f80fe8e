//! Rust: not yet.

use std::path::Path;

use super::{Project, name_of_folder};
use crate::failure::Failure;

pub(super) fn name(folder: &Path) -> Result<String, Failure> {
    name_of_folder(folder)
}

pub(super) fn build(_: &Project) -> Result<(), Failure> {
    Err(Failure::usage("modules in Rust cannot be built yet\n  help: cargo, and `wasm-tools component new`"))
}
