//! The configurations that the user trusts: `trusted.json` in the user's state folder.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf, absolute},
};

use serde::{Deserialize, Serialize};

use crate::{
    chat::config_error::ConfigError,
    config::{digest::digest, lock::Lock},
};

/// A configuration that the user has trusted, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrustedFile {
    /// The file. Links in the path of its folder are resolved; the file itself may be a link.
    pub file: PathBuf,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// The key files that its `[trust]` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<TrustedKey>,
}

/// The key file of a configuration that the user has trusted, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrustedKey {
    /// The file.
    pub file: PathBuf,
    /// The SHA-256 of its content, in hexadecimal. Absent if it could not be read.
    pub sha256: Option<String>,
}

/// The largest key file that is looked at, in bytes.
const LARGEST_KEY: u64 = 64 << 10;

impl TrustedKey {
    /// This file as it is now.
    fn now(file: &Path) -> Self {
        let file = absolute(file).unwrap_or_else(|_| file.to_owned());
        let is_small = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST_KEY);
        let content = is_small.then(|| fs::read(&file).ok()).flatten();
        Self { sha256: content.map(|content| digest(&content)), file }
    }
}

impl TrustedFile {
    fn new(file: PathBuf, content: &str, keys: Vec<TrustedKey>) -> Self {
        Self { file, sha256: digest(content.as_bytes()), keys }
    }

    /// A key file that is not what it was when the configuration was trusted.
    pub fn changed_key(&self) -> Option<&Path> {
        self.keys.iter().find(|key| TrustedKey::now(&key.file) != **key).map(|key| key.file.as_path())
    }
}

/// The configurations in working directories that a user trusts.
#[derive(Debug, Clone)]
pub struct TrustStore {
    folder: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    trusted: Vec<TrustedFile>,
}

impl TrustStore {
    /// The store of the user: `arcllm/trusted.json` in the state folder (`XDG_STATE_HOME`, by default `~/.local/state`), or in
    /// the folder for local data on systems without a state folder. `None` if the user has neither.
    pub fn of_user() -> Option<Self> {
        let folder = dirs::state_dir().or_else(dirs::data_local_dir)?;
        Some(Self { folder: folder.join("arcllm") })
    }

    /// All trusted configurations.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn files(&self) -> Result<Vec<TrustedFile>, ConfigError> {
        let file = self.file();
        let wrong = |problem: String| {
            ConfigError::new(problem)
                .file(&file)
                .help("repair or remove this file; it lists the configurations that you trust")
        };
        match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(|content: Content| content.trusted)
                .map_err(|error| wrong(format!("is not what `arcllm trust` writes: {error}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(wrong(format!("cannot be read: {error}"))),
        }
    }

    /// The entry of this file, whatever the file contains now.
    ///
    /// # Errors
    ///
    /// As [`files`](Self::files).
    pub(crate) fn entry(&self, file: &Path) -> Result<Option<TrustedFile>, ConfigError> {
        let Ok(place) = place(file) else { return Ok(None) };
        Ok(self.files()?.into_iter().find(|trusted| trusted.file == place))
    }

    /// Trusts this file with this content, the lock beside it with its content if there is one, and the key files of its
    /// `[trust]` as they are.
    ///
    /// # Errors
    ///
    /// The file's folder does not exist, its path is not Unicode, or the store cannot be read or written.
    pub fn trust(
        &self,
        file: &Path,
        content: &str,
        lock: Option<&str>,
        keys: &[&Path],
    ) -> Result<TrustedFile, ConfigError> {
        self.remember(file, content, lock, keys.iter().map(|key| TrustedKey::now(key)).collect())
    }

    fn remember(
        &self,
        file: &Path,
        content: &str,
        lock: Option<&str>,
        keys: Vec<TrustedKey>,
    ) -> Result<TrustedFile, ConfigError> {
        let place = place(file).map_err(|error| unreadable(file, &error))?;
        if place.to_str().is_none() {
            return Err(ConfigError::new("has a path that is not Unicode")
                .file(file)
                .help("rename the file or its folder"));
        }
        let lock_file = Lock::file(&place);
        let trusted = TrustedFile::new(place, content, keys);
        self.change(|files| {
            files.retain(|other| other.file != trusted.file && other.file != lock_file);
            files.push(trusted.clone());
            let lock = lock.map(|lock| TrustedFile::new(lock_file, lock, Vec::new()));
            files.extend(lock);
        })?;
        Ok(trusted)
    }

    /// Trusts a file and its lock with a new content, if they were trusted with the content before. A command calls it that has
    /// changed them as its user asked.
    ///
    /// # Errors
    ///
    /// As [`trust`](Self::trust).
    pub fn renew(
        &self,
        file: &Path,
        (before, lock_before): (&str, Option<&str>),
        (after, lock_after): (&str, Option<&str>),
    ) -> Result<(), ConfigError> {
        let Some(trusted) = self.entry(file)? else { return Ok(()) };
        let trusted_lock = self.entry(&Lock::file(file))?.map(|trusted| trusted.sha256);
        let is_trusted = trusted.sha256 == digest(before.as_bytes())
            && trusted_lock == lock_before.map(|lock| digest(lock.as_bytes()));
        // The keys stay those that the user has trusted, whatever their files have now.
        if is_trusted { self.remember(file, after, lock_after, trusted.keys).map(drop) } else { Ok(()) }
    }

    /// No longer trusts this file. Returns whether it was trusted.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written.
    pub fn forget(&self, file: &Path) -> Result<bool, ConfigError> {
        // The folder of the file may be gone. The path is then used as it is.
        let place = place(file).or_else(|_| absolute(file)).map_err(|error| unreadable(file, &error))?;
        let mut was_there = false;
        self.change(|files| {
            let before = files.len();
            files.retain(|other| other.file != place);
            was_there = files.len() < before;
            // The lock of no other configuration.
            let lock = Lock::file(&place);
            let is_beside = |other: &TrustedFile| other.file != lock && Lock::file(&other.file) == lock;
            if !files.iter().any(is_beside) {
                files.retain(|other| other.file != lock);
            }
        })?;
        Ok(was_there)
    }

    fn file(&self) -> PathBuf {
        self.folder.join("trusted.json")
    }

    /// Changes the list. A lock admits one process at a time, and readers see the old list or the new one.
    fn change(&self, change: impl FnOnce(&mut Vec<TrustedFile>)) -> Result<(), ConfigError> {
        let wrong = |error: io::Error| {
            let help = "make this folder writable, or set XDG_STATE_HOME to another folder";
            ConfigError::new(format!("cannot be written: {error}")).file(self.file()).help(help)
        };
        private_folder(&self.folder).map_err(wrong)?;
        let lock = private_file(&self.folder.join("trusted.lock")).map_err(wrong)?;
        lock.lock().map_err(wrong)?;
        let mut trusted = self.files()?;
        change(&mut trusted);
        let text = serde_json::to_string_pretty(&Content { trusted }).map_err(|error| wrong(error.into()))?;
        let next = self.folder.join("trusted.json.new");
        let written = || {
            // A process that was killed may have left this file with other permissions.
            match fs::remove_file(&next) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = private_file(&next)?;
            writeln!(file, "{text}")?;
            file.sync_all()?;
            fs::rename(&next, self.file())
        };
        written().map_err(wrong)
    }
}

/// The path of the file with all links in the path of its folder resolved. A file that is a link is not followed: its
/// paths are relative to its own folder. So trusting a file does not trust a link to it elsewhere.
pub(crate) fn place(file: &Path) -> io::Result<PathBuf> {
    let file = absolute(file)?;
    match (file.parent(), file.file_name()) {
        (Some(folder), Some(name)) => Ok(folder.canonicalize()?.join(name)),
        _ => Err(io::Error::from(io::ErrorKind::InvalidFilename)),
    }
}

fn unreadable(file: &Path, error: &io::Error) -> ConfigError {
    ConfigError::new(format!("cannot be read: {error}")).file(file).help("a TOML file that can be read")
}

fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Opens a file for writing. A new file is readable only for the user.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_remembered_by_place_and_content_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = TrustStore { folder: folder.path().join("state/arcllm") };
        assert_eq!(store.files().unwrap(), []);
        let (one, other) = (folder.path().join("one.toml"), folder.path().join("other.toml"));
        let trusted = store.trust(&one, "a", None, &[]).unwrap();
        assert_eq!(trusted.sha256, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
        store.trust(&other, "a", None, &[]).unwrap();
        assert_eq!(store.entry(&one).unwrap(), Some(trusted));
        let again = store.trust(&one, "b", None, &[]).unwrap();
        assert_eq!(store.files().unwrap().len(), 2, "a file is remembered once");
        assert_eq!(store.entry(&folder.path().join("x/../one.toml")).unwrap(), None, "there is no such folder");
        assert_eq!(store.entry(&folder.path().join("./one.toml")).unwrap(), Some(again));
        assert!(store.forget(&one).unwrap() && !store.forget(&one).unwrap());
        assert_eq!(store.files().unwrap().len(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(store.file()), mode(store.folder.clone())), (0o600, 0o700));
        }
        assert_eq!(fs::read_dir(&store.folder).unwrap().count(), 2, "the list and its lock");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_another_file_than_what_it_points_to() {
        let folder = tempfile::tempdir().unwrap();
        let store = TrustStore { folder: folder.path().join("state") };
        for name in ["good", "evil"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let good = folder.path().join("good/config.toml");
        fs::write(&good, "a").unwrap();
        store.trust(&good, "a", None, &[]).unwrap();
        let link = folder.path().join("evil/config.toml");
        std::os::unix::fs::symlink(&good, &link).unwrap();
        assert_eq!(store.entry(&link).unwrap(), None, "its modules are others");
        let folder_link = folder.path().join("same");
        std::os::unix::fs::symlink(folder.path().join("good"), &folder_link).unwrap();
        assert!(store.entry(&folder_link.join("config.toml")).unwrap().is_some(), "it is the same folder");
    }

    #[test]
    fn nothing_is_lost_where_several_are_remembered_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = TrustStore { folder: folder.path().join("state") };
        std::thread::scope(|scope| {
            for at in 0..16 {
                let (store, file) = (&store, folder.path().join(format!("{at}.toml")));
                scope.spawn(move || store.trust(&file, "", None, &[]).unwrap());
            }
        });
        assert_eq!(store.files().unwrap().len(), 16);
    }

    #[test]
    fn a_store_that_is_none_is_an_error_and_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let store = TrustStore { folder: folder.path().to_owned() };
        for content in ["", "{", "[]", "{\"trusted\": [{\"file\": \"/a\"}]}", "{\"trust\": []}"] {
            fs::write(store.file(), content).unwrap();
            let error = store.trust(&folder.path().join("a.toml"), "", None, &[]).unwrap_err().to_string();
            assert!(error.contains("trusted.json: is not what `arcllm trust` writes"), "{error}");
            assert_eq!(fs::read_to_string(store.file()).unwrap(), content);
        }
    }
}
