//! Where modules from registries lie on this machine.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use arcllm_registry::{Digest, Found, Progress, Reference, Registry, RegistryError};
use sha2::{Digest as _, Sha256};

/// The folder of modules from registries. Each file has the digest of its bytes for a name, and a start hashes it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleStore {
    folder: PathBuf,
}

impl ModuleStore {
    /// The store of the user: `arcllm/modules` in the folder for data (`XDG_DATA_HOME`, by default `~/.local/share`). `None` if
    /// the user has no such folder.
    pub fn of_user() -> Option<Self> {
        Some(Self { folder: dirs::data_dir()?.join("arcllm").join("modules") })
    }

    /// A store in this folder, which is created when a module is pulled.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of the module with this digest, whether or not it is there.
    pub fn file(&self, wasm: &Digest) -> PathBuf {
        self.folder.join(format!("{}.wasm", wasm.hex()))
    }

    /// Whether the module with this digest is there, with the right bytes.
    pub fn has(&self, wasm: &Digest) -> bool {
        self.hash(wasm).is_ok_and(|found| found == wasm.hex())
    }

    /// Pulls a module that was found, unless it is there. Its file is read-only, against changes by mistake.
    ///
    /// # Errors
    ///
    /// As [`Registry::pull`], and where the folder cannot be written.
    pub async fn pull(
        &self,
        registry: &Registry,
        found: &Found,
        progress: &mut Progress<'_>,
    ) -> Result<(), RegistryError> {
        if self.has(&found.wasm_digest) {
            return Ok(());
        }
        let file = self.file(&found.wasm_digest);
        let wrong = |source| RegistryError::File { path: file.clone(), source };
        fs::create_dir_all(&self.folder).map_err(wrong)?;
        registry.pull(found, &file, progress).await?;
        let protect = || {
            let mut permissions = fs::metadata(&file)?.permissions();
            permissions.set_readonly(true);
            fs::set_permissions(&file, permissions)
        };
        protect().map_err(wrong)
    }

    /// Pulls the module at this reference, which must have these bytes.
    ///
    /// # Errors
    ///
    /// As [`pull`](Self::pull), and where the manifest names other bytes.
    pub async fn fetch(
        &self,
        registry: &Registry,
        reference: &Reference,
        wasm: &Digest,
        progress: &mut Progress<'_>,
    ) -> Result<(), RegistryError> {
        if self.has(wasm) {
            return Ok(());
        }
        let found = registry.look(reference).await?;
        if found.wasm_digest != *wasm {
            let (what, expected, got) = (reference.to_string(), *wasm, found.wasm_digest);
            return Err(RegistryError::Changed { what, expected, got });
        }
        self.pull(registry, &found, progress).await
    }

    fn hash(&self, wasm: &Digest) -> io::Result<String> {
        let mut hash = Sha256::new();
        io::copy(&mut fs::File::open(self.file(wasm))?, &mut hash)?;
        Ok(hash.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")))
    }
}
