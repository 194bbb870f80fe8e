//! The folder of a journal: its files, and the lock that keeps other processes out.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

/// What the name of a file begins with. The number of its first line follows.
const PREFIX: &str = "journal-";

/// What the name of a file ends with.
const SUFFIX: &str = ".jsonl";

/// The file that the process locks that appends.
const LOCK: &str = "journal.lock";

/// The file of a journal whose first line has this number. The names sort as the numbers do.
pub(crate) fn file_name(first: u64) -> String {
    format!("{PREFIX}{first:020}{SUFFIX}")
}

/// The number of the first line of a file with this name.
pub(crate) fn first_line(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The files of the journal in this folder, oldest first.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(first) = entry.file_name().to_str().and_then(first_line) {
            files.push((first, entry.path()));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, file)| file).collect())
}

/// Makes the folder, which only its user can look into, unless it is there.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens a file of the journal, which only its user can read. A link is refused, since it may lead to any file.
pub(crate) fn open(file: &Path) -> io::Result<File> {
    open_with(file, OpenOptions::new().read(true).append(true).create(true))
}

/// The same, to write over what is in it.
pub(crate) fn open_to_replace(file: &Path) -> io::Result<File> {
    open_with(file, OpenOptions::new().read(true).write(true).create(true).truncate(false))
}

fn open_with(file: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    let file = options.open(file)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no ordinary file")),
    }
}

/// Makes what the folder lists last through a loss of power.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Why the folder is not this process's.
pub(crate) enum NotLocked {
    /// Another process appends. The text names it, if it can.
    Taken(String),
    /// The lock cannot be made.
    Failed(io::Error),
}

/// Locks the folder for as long as the file is open.
pub(crate) fn lock(folder: &Path) -> Result<File, NotLocked> {
    let path = folder.join(LOCK);
    let mut file = open(&path).map_err(NotLocked::Failed)?;
    match file.try_lock() {
        Ok(()) => {
            // Only people read it.
            let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let read = file.seek(io::SeekFrom::Start(0)).and_then(|_| file.take(20).read_to_string(&mut owner));
            let owner = read.ok().and_then(|_| owner.trim().parse::<u32>().ok());
            let owner = owner.map_or_else(String::new, |id| format!(" ({id})"));
            Err(NotLocked::Taken(format!("another process{owner} appends to it and holds the lock {}", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(NotLocked::Failed(error)),
    }
}

/// Finds out whether records can be written into this folder, and leaves nothing behind.
///
/// # Errors
///
/// What the system says.
pub(crate) fn probe(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    // A folder that does not exist is made in the first one above that does.
    let there = folder.ancestors().find(|folder| fs::symlink_metadata(folder).is_ok()).unwrap_or(&folder);
    if !fs::metadata(there)?.is_dir() {
        return Err(io::Error::other(format!("{} is no folder", there.display())));
    }
    let file = there.join(format!(".{LOCK}-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&file)?;
    fs::remove_file(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_journal_are_taken_for_one_and_they_sort_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let numbers = [10, 9, 1, u64::MAX];
        for number in numbers {
            fs::write(folder.path().join(file_name(number)), "").unwrap();
        }
        for other in ["journal.lock", "journal-1.jsonl", "journal-0000000000000000000a.jsonl", "config.toml"] {
            fs::write(folder.path().join(other), "").unwrap();
        }
        let found: Vec<_> = files(folder.path()).unwrap();
        let expected: Vec<_> = [1, 9, 10, u64::MAX].map(|number| folder.path().join(file_name(number))).to_vec();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_second_lock_names_the_file_and_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let _held = lock(folder.path()).ok().unwrap();
        let Err(NotLocked::Taken(why)) = lock(folder.path()) else { panic!("locked twice") };
        assert!(why.contains(&format!("({})", std::process::id())) && why.contains("journal.lock"), "{why}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, link) = (folder.path().join("victim"), folder.path().join(file_name(1)));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        assert!(open(&link).is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn a_probe_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        probe(&folder.path().join("a/b")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(probe(&folder.path().join("file/b")).unwrap_err().to_string().contains("is no folder"));
    }
}
