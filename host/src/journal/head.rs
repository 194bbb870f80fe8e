//! The note of how far a journal has come, in a file beside its lines. It shows that the end was cut off.

use std::{
    fs::{self, File},
    io::{self, Seek as _, Write as _},
    path::Path,
};

use crate::journal::{folder, line::Link};

/// The name of the file.
pub(crate) const NAME: &str = "journal.head";

/// How long a note is: the number of the last line in 20 digits, a space, its hash, and a line end.
const LENGTH: u64 = 20 + 1 + 64 + 1;

/// The note, open to be replaced.
pub(crate) struct Head(File);

impl Head {
    /// Opens the note of the journal in this folder, which is made if it is not there.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        folder::open_to_replace(&folder.join(NAME)).map(Self)
    }

    /// Notes where the chain has come to. It is written after the lines, and over the note before, so that it needs no room on
    /// the disk and is never ahead of what the system has.
    pub(crate) fn set(&mut self, Link { sequence, hash }: Link) -> io::Result<()> {
        self.0.seek(io::SeekFrom::Start(0))?;
        self.0.write_all(format!("{sequence:020} {hash}\n").as_bytes())
    }
}

/// What is noted of the journal in this folder. `None` if there is no note, or it cannot be read.
pub(crate) fn read(folder: &Path) -> Option<Link> {
    let file = folder.join(NAME);
    if !fs::symlink_metadata(&file).is_ok_and(|found| found.is_file() && found.len() == LENGTH) {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let (sequence, hash) = text.trim_end().split_once(' ')?;
    Some(Link { sequence: sequence.parse().ok()?, hash: hash.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_nothing_else_is_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), None);
        let mut head = Head::open(folder.path()).unwrap();
        assert_eq!(read(folder.path()), None);
        for sequence in [u64::MAX, 0, 7] {
            let link = Link { sequence, ..Link::START };
            head.set(link).unwrap();
            assert_eq!(read(folder.path()), Some(link));
        }
        for wrong in ["", "7", &"x".repeat(86), &format!("{:020} {}\n", 7, "g".repeat(64)), &"7".repeat(1 << 20)] {
            fs::write(folder.path().join(NAME), wrong).unwrap();
            assert_eq!(read(folder.path()), None, "{}", wrong.len());
        }
    }
}
