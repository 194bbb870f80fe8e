//! Changes a configuration, its lock and the file of a module: all or nothing.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use arcllm::{Config, Lock, TrustStore};
use toml_edit::DocumentMut;

use crate::{config, failure::Failure};

/// A configuration that commands may change.
pub(crate) struct ConfigFile {
    /// Its content when the command began.
    pub(crate) config: Config,
    /// The file. It may be a link; its lock and its modules are beside the link.
    pub(crate) file: PathBuf,
}

/// The file of a module, which the modules directory is to have.
pub(crate) struct ModuleFile {
    pub(crate) file: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

/// Content that replaces that of a file.
struct Replacement {
    file: PathBuf,
    /// Absent if there is no such file.
    before: Option<Vec<u8>>,
    after: Vec<u8>,
    /// Beside the file, until it takes its place.
    next: PathBuf,
    /// The old content beside the file, until all files are replaced.
    old: PathBuf,
}

impl ConfigFile {
    /// The configuration that this file or the environment names.
    ///
    /// # Errors
    ///
    /// Where there is none, it is wrong, or it is not trusted.
    pub(crate) fn find(file: Option<&Path>) -> Result<Self, Failure> {
        let config = config::config(file)?;
        let Some(file) = config.file.clone() else {
            let help = "create a config.toml, which may be empty, or name one with --config FILE";
            return Err(Failure::usage(format!(
                "no configuration was found, and so no place for modules\n  help: {help}"
            )));
        };
        if !config.is_trusted() {
            let name = file.display();
            let help = format!("if you trust it, run `arcllm trust {name}`, or name it with --config {name}");
            return Err(Failure::usage(format!(
                "{name}: it was found in the working directory and is not trusted as it is, so it may have no modules from \
                 elsewhere\n  help: {help}"
            )));
        }
        Ok(Self { config, file })
    }

    /// The folder of modules that are files.
    pub(crate) fn modules_dir(&self) -> PathBuf {
        self.config.modules_dir.clone().unwrap_or_default()
    }

    /// Changes the configuration and the lock as they are now, and puts the file of a module into its place. If the
    /// configuration was trusted, it is trusted again.
    ///
    /// # Errors
    ///
    /// Where the change fails, its result is no valid configuration, or a file cannot be written. Nothing is changed then.
    pub(crate) fn change(
        &self,
        module: Option<ModuleFile>,
        change: impl FnOnce(&mut DocumentMut, &mut Lock) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let config_target = target(&self.file).map_err(|error| unable(&self.file, &error))?;
        let _one = alone(&config_target).map_err(|error| unable(&self.file, &error))?;
        let lock_file = Lock::file(&self.file);
        let lock_target = target(&lock_file).map_err(|error| unable(&lock_file, &error))?;
        let _folder = alone_in_folder(&lock_target).map_err(|error| unable(&lock_file, &error))?;
        let text = fs::read_to_string(&config_target).map_err(|error| unable(&self.file, &error))?;
        let lock_text = read_if_there(&lock_file).map_err(|error| unable(&lock_file, &error))?;
        let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
            let help = "write the settings of the module by hand; `arcllm module inspect` says which";
            Failure::usage(format!("{}: cannot be edited: {error}\n  help: {help}", self.file.display()))
        })?;
        let mut lock = lock_text.as_deref().map(|text| Lock::parse(text, &lock_file)).transpose()?.unwrap_or_default();
        change(&mut document, &mut lock)?;
        let (after, lock_after) = (document.to_string(), lock.to_toml());
        Config::parse(&after, Some(&self.file))?;
        Lock::parse(&lock_after, &lock_file)?;
        let bytes = |text: &str| text.as_bytes().to_vec();
        let mut replacements = vec![
            Replacement::new(lock_target, lock_text.as_deref().map(bytes), bytes(&lock_after)),
            Replacement::new(config_target, Some(bytes(&text)), bytes(&after)),
        ];
        if let Some(ModuleFile { file, bytes }) = module {
            let before = file.is_file().then(|| fs::read(&file)).transpose().map_err(|error| unable(&file, &error))?;
            replacements.insert(0, Replacement::new(file, before, bytes));
        }
        replace(&replacements)?;
        if let Some(store) = TrustStore::of_user() {
            let (before, after) = ((&*text, lock_text.as_deref()), (&*after, Some(&*lock_after)));
            store.renew(&self.file, before, after)?;
        }
        Ok(())
    }
}

impl Replacement {
    fn new(file: PathBuf, before: Option<Vec<u8>>, after: Vec<u8>) -> Self {
        let beside = |ending: &str| {
            let mut name = file.file_name().unwrap_or_default().to_owned();
            name.push(format!(".{}.{ending}", std::process::id()));
            file.with_file_name(name)
        };
        let (next, old) = (beside("new"), beside("old"));
        Self { file, before, after, next, old }
    }

    /// Writes the new content beside the file, with the permissions of the file.
    fn prepare(&self) -> io::Result<()> {
        if let Some(folder) = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut next = File::create(&self.next)?;
        next.write_all(&self.after)?;
        if let Ok(metadata) = fs::metadata(&self.file) {
            next.set_permissions(metadata.permissions())?;
        }
        next.sync_all()
    }

    fn commit(&self) -> io::Result<()> {
        // Kept, since a full disk takes no second copy. Not every file system has links.
        let _ = fs::hard_link(&self.file, &self.old);
        fs::rename(&self.next, &self.file)
    }

    /// Puts the old content back.
    fn undo(&self) {
        // There is nothing else to try if it fails.
        let _ = match &self.before {
            Some(before) => fs::rename(&self.old, &self.file).or_else(|_| fs::write(&self.file, before)),
            None => fs::remove_file(&self.file),
        };
    }

    /// Removes what lies beside the file.
    fn clean(&self) {
        // They may not exist.
        let _ = (fs::remove_file(&self.next), fs::remove_file(&self.old));
    }
}

/// Replaces all files, or none.
fn replace(replacements: &[Replacement]) -> Result<(), Failure> {
    let changed = || replacements.iter().filter(|one| one.before.as_ref() != Some(&one.after));
    let clean = || changed().for_each(Replacement::clean);
    // An editor waits for nobody.
    if let Some(other) = changed().find(|one| fs::read(&one.file).ok() != one.before) {
        let (file, help) = (other.file.display(), "nothing was changed; run this again");
        return Err(Failure::usage(format!("{file}: it has changed meanwhile\n  help: {help}")));
    }
    for one in changed() {
        one.prepare().map_err(|error| {
            clean();
            unable(&one.file, &error)
        })?;
    }
    let mut done: Vec<&Replacement> = Vec::new();
    for one in changed() {
        if let Err(error) = one.commit() {
            done.iter().for_each(|one| one.undo());
            clean();
            return Err(unable(&one.file, &error));
        }
        done.push(one);
    }
    clean();
    Ok(())
}

/// The file itself, or the one that it leads to if it is a link.
fn target(file: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(file) {
        Ok(metadata) if metadata.is_symlink() => file.canonicalize(),
        _ => Ok(file.to_owned()),
    }
}

fn read_if_there(file: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits until no other process changes this configuration. Others are kept out until the returned file is closed.
fn alone(file: &Path) -> io::Result<File> {
    loop {
        let held = File::open(file)?;
        held.lock()?;
        // The process before may have put another file in its place.
        if is_same(&held, file)? {
            return Ok(held);
        }
    }
}

/// Waits until no other process changes the lock in this folder, which several configurations share.
#[cfg(unix)]
fn alone_in_folder(lock: &Path) -> io::Result<Option<File>> {
    let folder = lock.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let held = File::open(folder)?;
    held.lock()?;
    Ok(Some(held))
}

/// A folder cannot be opened here, so that only processes with the same configuration wait for each other.
#[cfg(not(unix))]
fn alone_in_folder(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

#[cfg(unix)]
fn is_same(held: &File, file: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (held, now) = (held.metadata()?, fs::metadata(file)?);
    Ok((held.dev(), held.ino()) == (now.dev(), now.ino()))
}

#[cfg(not(unix))]
fn is_same(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

fn unable(file: &Path, error: &io::Error) -> Failure {
    let help = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its disk",
        _ => "make the file and its folder writable for you",
    };
    Failure::usage(format!("{}: cannot be changed: {error}\n  help: nothing was changed; {help}", file.display()))
}
