//! A folder with a configuration in it, gone when it is dropped.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arcllm::{Config, ConfigError, Host, MemoryStore};
use tempfile::TempDir;

use super::command::Arcllm;

/// A folder with a `config.toml`.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    /// Whether the command is told to trust it.
    trusted: bool,
}

impl Folder {
    /// A folder with this `config.toml`, and nothing else.
    ///
    /// # Errors
    ///
    /// Where no folder can be made.
    pub(crate) fn new(config: &str) -> io::Result<Self> {
        let folder = Self { folder: tempfile::tempdir()?, trusted: false };
        folder.write("config.toml", config)?;
        Ok(folder)
    }

    /// The same, and the command trusts it: its modules may be files.
    #[must_use]
    pub(crate) fn trusted(self) -> Self {
        Self { trusted: true, ..self }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file into it, at this path inside of it.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub(crate) fn write(&self, file: impl AsRef<Path>, content: impl AsRef<[u8]>) -> io::Result<PathBuf> {
        let file = self.path().join(file);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, content)?;
        Ok(file)
    }

    /// A host of its configuration, with a state store of its own: other tests of this process keep state as well.
    ///
    /// # Errors
    ///
    /// As [`Host::from_file`].
    pub(crate) fn host(&self) -> Result<Host, ConfigError> {
        let config = Config::load(&self.path().join("config.toml"))?;
        Host::builder().config(config).state_store(Arc::new(MemoryStore::default())).build()
    }

    /// The command with these arguments, to be run in this folder, where it finds the configuration by itself.
    ///
    /// # Errors
    ///
    /// As [`Arcllm::new`].
    pub(crate) fn arcllm(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> io::Result<Arcllm> {
        let command = Arcllm::new(self.path())?.arguments(arguments);
        Ok(if self.trusted { command.trusted() } else { command })
    }
}
