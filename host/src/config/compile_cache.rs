//! Where compiled modules are kept from one start to the next.

use std::path::PathBuf;

/// Where compiled modules are kept from one start of the program to the next. Compiling takes milliseconds for a small module
/// and up to ten seconds for one that carries a whole language.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CompileCache {
    /// In the folder `arcllm/modules` of the user's cache directory.
    #[default]
    User,
    /// In this folder, which is created if it does not exist. Only trusted programs may be able to write there: what lies in it
    /// is run.
    Folder(PathBuf),
    /// Nowhere: modules are compiled at each start.
    Off,
}
