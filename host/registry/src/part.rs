//! A file that is not whole yet.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use same_file::Handle;
use sha2::{Digest as _, Sha256};

use crate::{digest::Digest, error::RegistryError};

/// The beginning of a file, beside its place. It is locked, so that no other process writes it, and hashed.
pub(crate) struct Part {
    file: File,
    path: PathBuf,
    hash: Sha256,
    length: u64,
}

impl Part {
    /// Opens what an earlier pull has left, or begins anew. `None` stands for a part that another process writes.
    pub(crate) fn open(place: &Path) -> Result<Option<Self>, RegistryError> {
        let mut name = OsString::from(place);
        name.push(".part");
        let path = PathBuf::from(name);
        let Some(file) = lock(&path).map_err(|error| RegistryError::file(&path, error))? else { return Ok(None) };
        let mut part = Self { file, path, hash: Sha256::new(), length: 0 };
        part.hash_what_is_there().map_err(|error| RegistryError::file(&part.path, error))?;
        Ok(Some(part))
    }

    fn hash_what_is_there(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = self.file.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.hash.update(buffer.get(..count).unwrap_or_default());
            self.length += count as u64;
        }
    }

    /// How many bytes are there.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Adds bytes to the end.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        self.file.write_all(bytes).map_err(|error| RegistryError::file(&self.path, error))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what is there.
    pub(crate) fn clear(&mut self) -> Result<(), RegistryError> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map_err(|error| RegistryError::file(&self.path, error))?;
        (self.hash, self.length) = (Sha256::new(), 0);
        Ok(())
    }

    /// The digest of what is there.
    pub(crate) fn digest(&self) -> Digest {
        Digest::finished(self.hash.clone())
    }

    /// Puts the whole file into its place.
    pub(crate) fn finish(self, place: &Path) -> Result<(), RegistryError> {
        self.file.sync_all().map_err(|error| RegistryError::file(&self.path, error))?;
        fs::rename(&self.path, place).map_err(|error| RegistryError::file(place, error))
    }

    /// Removes it.
    pub(crate) fn remove(self) -> Result<(), RegistryError> {
        fs::remove_file(&self.path).map_err(|error| RegistryError::file(&self.path, error))
    }
}

/// Whether the file at its place has this digest.
pub(crate) fn is_there(place: &Path, digest: &Digest) -> bool {
    let hash = || -> io::Result<Digest> {
        let mut hash = Sha256::new();
        io::copy(&mut File::open(place)?, &mut hash)?;
        Ok(Digest::finished(hash))
    };
    hash().is_ok_and(|there| there == *digest)
}

/// Opens and locks the file at this path. `None` stands for a file that another process has locked, or has put into its place
/// meanwhile.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // The other process may have moved it between the two steps above.
    match Handle::from_path(path) {
        Ok(there) if there == Handle::from_file(file.try_clone()?)? => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
