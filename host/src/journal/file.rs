//! The files of a journal that is appended to: the last one, and how it ends.

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use crate::journal::{
    folder,
    line::{self, Link},
};

/// What was found at the end of the last file when it was opened: the beginning of a line, which was cut off.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Torn {
    /// How many bytes it has.
    pub(crate) bytes: usize,
    /// Where it was put.
    pub(crate) kept_in: PathBuf,
}

/// The file that lines are appended to.
pub(crate) struct JournalFile {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    /// How long it is with all that was appended.
    length: u64,
    /// Whether it may be longer, since it could not be cut to that length.
    may_be_longer: bool,
    link: Link,
}

impl JournalFile {
    /// Opens the last file of the journal in this folder, or begins the first one. Cuts off a line that was not written to its
    /// end.
    ///
    /// # Errors
    ///
    /// If it cannot be read and written, or if its last line is not as it was written: nothing may follow that.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Option<Torn>)> {
        let files = folder::files(folder)?;
        let path = files.last().cloned().unwrap_or_else(|| folder.join(folder::file_name(1)));
        let file = open_alone(&path)?;
        let (length, link, torn) = end(&path, &file)?;
        let link = match (link, files.iter().rev().nth(1)) {
            (Some(link), _) => link,
            // The process ended between the beginning of the file and its first line.
            (None, Some(before)) => last_link(before)?,
            (None, None) if path.ends_with(folder::file_name(1)) => Link::START,
            (None, None) => return Err(damaged(&path, "is empty, and the file before it is not there")),
        };
        let journal = Self { folder: folder.to_owned(), path, file, length, may_be_longer: false, link };
        Ok((journal, torn))
    }

    /// Where the chain has come to.
    pub(crate) fn link(&self) -> Link {
        self.link
    }

    /// How long the file is.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends whole lines, which end at `link`. Nothing of them stays if this fails.
    pub(crate) fn append(&mut self, lines: &str, link: Link) -> io::Result<()> {
        self.check_unchanged()?;
        if let Err(error) = self.file.write_all(lines.as_bytes()) {
            self.cut();
            return Err(error);
        }
        self.length = self.length.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        self.link = link;
        Ok(())
    }

    /// Takes back what was appended since the file had this length and the chain had come to `link`.
    pub(crate) fn take_back(&mut self, length: u64, link: Link) {
        (self.length, self.link) = (length, link);
        self.cut();
    }

    /// Makes what was appended last through a loss of power.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Begins the next file. The chain goes on in it.
    pub(crate) fn rotate(&mut self, sync: bool) -> io::Result<()> {
        if sync {
            self.file.sync_data()?;
        }
        let path = self.folder.join(folder::file_name(self.link.sequence.saturating_add(1)));
        let file = open_alone(&path)?;
        if file.metadata()?.len() > 0 {
            return Err(damaged(&path, "is there already"));
        }
        if sync {
            folder::sync(&self.folder)?;
        }
        (self.path, self.file, self.length, self.may_be_longer) = (path, file, 0, false);
        Ok(())
    }

    /// Cuts off what was not appended whole.
    fn cut(&mut self) {
        self.may_be_longer = self.file.set_len(self.length).is_err();
    }

    /// Refuses to append to a file that somebody else has changed: the chain would not show what happened.
    fn check_unchanged(&mut self) -> io::Result<()> {
        if self.may_be_longer {
            self.file.set_len(self.length)?;
            self.may_be_longer = false;
        }
        let found = self.file.metadata()?;
        if found.len() != self.length {
            let what = format!("has {} bytes, and this process has written {}", found.len(), self.length);
            return Err(damaged(&self.path, &what));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            if found.nlink() == 0 {
                return Err(damaged(&self.path, "was removed while it was in use"));
            }
            // What is there now is another file, or none.
            let there = std::fs::symlink_metadata(&self.path);
            if !there.is_ok_and(|there| (there.dev(), there.ino()) == (found.dev(), found.ino())) {
                return Err(damaged(&self.path, "was moved away while it was in use"));
            }
        }
        Ok(())
    }
}

/// Opens a file that this process alone appends to. The lock of the folder does not keep out a process that has the file under a
/// second name in another folder.
fn open_alone(path: &Path) -> io::Result<File> {
    let file = folder::open(path)?;
    // Elsewhere a lock also keeps out those that only read.
    if cfg!(unix) {
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let what = "is appended to by another process, which has it under another name (a hard link)";
                io::Error::other(format!("{} {what}", path.display()))
            }
            TryLockError::Error(error) => error,
        })?;
    }
    Ok(file)
}

/// The last link of this file.
fn last_link(path: &Path) -> io::Result<Link> {
    let (_, link, torn) = end(path, &folder::open(path)?)?;
    match (link, torn) {
        (Some(link), None) => Ok(link),
        _ => Err(damaged(path, "does not end with a whole line")),
    }
}

/// How long the file is, where the chain has come to in it, and what was cut off.
fn end(path: &Path, mut file: &File) -> io::Result<(u64, Option<Link>, Option<Torn>)> {
    let length = file.metadata()?.len();
    // A whole line, and the beginning of another.
    let most = u64::try_from(2 * line::LONGEST).unwrap_or(u64::MAX);
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut tail = Vec::new();
    file.take(most).read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (lines, rest) = tail.split_at_checked(whole).unwrap_or((&tail, &[]));
    if rest.len() > line::LONGEST {
        return Err(damaged(path, "does not end with a line of a journal"));
    }
    let link = match lines.strip_suffix(b"\n") {
        None => None,
        Some(lines) => {
            let last = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let line = lines.get(last..).and_then(line::read);
            Some(line.ok_or_else(|| damaged(path, "has a last line that is not as it was written"))?.link)
        }
    };
    if rest.is_empty() {
        return Ok((length, link, None));
    }
    let torn = keep(path, rest)?;
    let length = length.saturating_sub(u64::try_from(rest.len()).unwrap_or_default());
    file.set_len(length)?;
    Ok((length, link, Some(torn)))
}

/// Puts the beginning of a line beside the file: what was written is not thrown away.
fn keep(path: &Path, rest: &[u8]) -> io::Result<Torn> {
    let kept_in = path.with_extension("torn");
    let mut file = folder::open(&kept_in)?;
    file.write_all(rest).and_then(|()| file.write_all(b"\n"))?;
    Ok(Torn { bytes: rest.len(), kept_in })
}

/// The files that are too many, if this many are kept, and the number of the first line that stays.
pub(crate) fn too_many(folder: &Path, keep: usize) -> io::Result<Option<(Vec<PathBuf>, u64)>> {
    let mut files = folder::files(folder)?;
    let kept = files.split_off(files.len().saturating_sub(keep.max(1)));
    let first = kept.first().and_then(|file| folder::first_line(file.file_name()?.to_str()?));
    Ok(first.filter(|_| !files.is_empty()).map(|first| (files, first)))
}

fn damaged(path: &Path, what: &str) -> io::Error {
    let help = "`arcllm audit verify` shows where; to begin a new journal, move the folder away";
    io::Error::other(format!("{} {what} ({help})", path.display()))
}

#[cfg(test)]
mod tests {
    use std::{fs, time::UNIX_EPOCH};

    use super::*;
    use crate::journal::journal::Entry;

    fn lines(count: u64, mut link: Link) -> (String, Link) {
        let mut text = String::new();
        for _ in 0..count {
            let entry = Entry::new("m".into(), Vec::new(), "{\"a\":\"b\"}".to_owned()).unwrap();
            link = line::write(&mut text, &entry, UNIX_EPOCH, link);
        }
        (text, link)
    }

    #[test]
    fn a_journal_that_is_cut_anywhere_goes_on_after_its_last_whole_line() {
        let (text, _) = lines(3, Link::START);
        for cut in 0..=text.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(folder::file_name(1));
            fs::write(&path, &text[..cut]).unwrap();
            let (mut journal, torn) = JournalFile::open(folder.path()).unwrap();
            let whole = text[..cut].rfind('\n').map_or(0, |at| at + 1);
            assert_eq!(torn.is_some(), cut > whole, "{cut}");
            if let Some(torn) = torn {
                let kept = fs::read_to_string(torn.kept_in).unwrap();
                assert_eq!((torn.bytes, kept.trim_end()), (cut - whole, &text[whole..cut]));
            }
            let (more, link) = lines(1, journal.link());
            journal.append(&more, link).unwrap();
            drop(journal);
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}{more}", &text[..whole]));
            assert_eq!(JournalFile::open(folder.path()).unwrap().0.link(), link);
        }
    }

    #[test]
    fn nothing_follows_a_last_line_that_was_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(folder::file_name(1));
        for wrong in ["{}\n".to_owned(), lines(2, Link::START).0.replace("\"b\"", "\"c\""), "x".repeat(3 << 20)] {
            fs::write(&path, &wrong).unwrap();
            let Err(error) = JournalFile::open(folder.path()) else { panic!("opened") };
            assert!(error.to_string().contains("arcllm audit verify"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), wrong);
        }
    }

    #[test]
    fn what_others_do_to_the_file_ends_the_appending() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = JournalFile::open(folder.path()).unwrap();
        let path = folder.path().join(folder::file_name(1));
        let (text, link) = lines(1, journal.link());
        journal.append(&text, link).unwrap();
        fs::write(&path, "").unwrap();
        assert!(journal.append("x\n", link).unwrap_err().to_string().contains("has 0 bytes"));
        fs::write(&path, text).unwrap();
        fs::remove_file(&path).unwrap();
        #[cfg(unix)]
        assert!(journal.append("x\n", link).unwrap_err().to_string().contains("was removed"));
    }

    #[test]
    fn a_file_that_was_begun_and_never_written_goes_on_with_the_chain() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = JournalFile::open(folder.path()).unwrap();
        let (text, link) = lines(2, journal.link());
        journal.append(&text, link).unwrap();
        journal.rotate(true).unwrap();
        drop(journal);
        let (journal, torn) = JournalFile::open(folder.path()).unwrap();
        assert_eq!((journal.link(), journal.length(), torn), (link, 0, None));
        let (old, first) = too_many(folder.path(), 1).unwrap().unwrap();
        assert_eq!((old.len(), first), (1, 3));
        fs::remove_file(&old[0]).unwrap();
        assert!(JournalFile::open(folder.path()).is_err());
    }
    #[cfg(unix)]
    #[test]
    fn a_file_with_two_names_has_one_journal() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let open = JournalFile::open(one.path()).unwrap();
        let name = folder::file_name(1);
        fs::hard_link(one.path().join(&name), other.path().join(&name)).unwrap();
        let Err(error) = JournalFile::open(other.path()) else { panic!("two append to one file") };
        assert!(error.to_string().contains("another name"), "{error}");
        drop(open);
        JournalFile::open(other.path()).unwrap();
    }
}
