//! Checks the chain of a journal. Reads its files from the beginning to the end, and keeps one line at a time.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::journal::{
    chain::{Break, Chain, Found, JournalFault, Place},
    folder,
    line::{self, Hash},
};

/// What was found of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JournalReport {
    /// Whether the chain is right, and has all the hashes that were expected.
    pub valid: bool,
    /// How many files were read.
    pub files: usize,
    /// How many records follow each other as they were written, from the first one on.
    pub records: u64,
    /// The first of them. Its number is above one if files were deleted.
    pub first: Option<JournalRecord>,
    /// The last of them.
    pub last: Option<JournalRecord>,
    /// The first thing that is wrong.
    pub problem: Option<JournalProblem>,
}

/// A record of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JournalRecord {
    /// Its number, counted from one.
    pub sequence: u64,
    /// When it was written, in UTC, as in RFC 3339.
    pub time: String,
    /// Its hash. Whoever has noted it can tell later whether the record is still there.
    pub hash: Hash,
}

/// What is wrong with a journal, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JournalProblem {
    /// The file. Absent if it is about all of them.
    pub file: Option<PathBuf>,
    /// The line of the file, counted from one.
    pub line: Option<u64>,
    /// What it is.
    pub what: JournalFault,
    /// The same in words.
    pub message: String,
}

/// Checks that the records in these files are there as they were written, and that those with the `expected` hashes are among
/// them. A folder stands for the files of the journal in it. Files are read in the order of their names.
///
/// The hashes show a change by somebody who does not compute all that follow anew. Against somebody who does, and against a
/// cut end, compare with a hash that was noted elsewhere.
///
/// # Errors
///
/// If a file cannot be read, or a folder has no journal.
pub fn verify_journal(paths: &[PathBuf], expected: &[Hash]) -> io::Result<JournalReport> {
    let files = files(paths)?;
    let (mut chain, mut missing) = (Chain::new(), expected.to_vec());
    let mut lines = Lines::new(&files);
    let broken = chain.follow(&mut lines, |hash| missing.retain(|expected| *expected != hash))?;
    let problem = match (broken, missing.first()) {
        (Some(Break { place, fault, message }), _) => {
            Some(JournalProblem { file: files.get(place.file).cloned(), line: Some(place.line), what: fault, message })
        }
        (None, Some(hash)) => Some(JournalProblem {
            file: None,
            line: None,
            what: JournalFault::Unknown,
            message: format!("no record has the hash {hash}: the end was cut off, or this is another journal"),
        }),
        (None, None) => None,
    };
    let record =
        |line: line::Line| JournalRecord { sequence: line.link.sequence, time: line.time, hash: line.link.hash };
    Ok(JournalReport {
        valid: problem.is_none(),
        files: files.len(),
        records: chain.records,
        first: chain.first.map(record),
        last: chain.last.map(record),
        problem,
    })
}

/// The files that these paths stand for.
fn files(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            false => files.push(path.clone()),
            true => {
                let inside = folder::files(path).map_err(|error| about(path, &error))?;
                if inside.is_empty() {
                    return Err(about(path, &io::Error::new(io::ErrorKind::NotFound, "has no files of a journal")));
                }
                files.extend(inside);
            }
        }
    }
    files.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
    files.dedup();
    Ok(files)
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The lines of several files, one after the other.
struct Lines<'a> {
    files: &'a [PathBuf],
    place: Place,
    open: Option<BufReader<File>>,
    /// The text of the line, kept for its memory.
    text: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn new(files: &'a [PathBuf]) -> Self {
        Self { files, place: Place { file: 0, line: 0 }, open: None, text: Vec::new() }
    }

    /// The next line of the open file. `None` at its end.
    fn next_of_file(&mut self, path: &Path) -> io::Result<Option<Found>> {
        let reader = match &mut self.open {
            Some(reader) => reader,
            open => open.insert(BufReader::with_capacity(64 << 10, File::open(path)?)),
        };
        self.text.clear();
        let most = u64::try_from(line::LONGEST).unwrap_or(u64::MAX);
        reader.by_ref().take(most).read_until(b'\n', &mut self.text)?;
        let Some(end) = self.text.last() else { return Ok(None) };
        if *end == b'\n' {
            let line = self.text.strip_suffix(b"\n").and_then(line::read);
            return Ok(Some(line.map_or(Found::Other, Found::Line)));
        }
        // It may be as long as the file.
        Ok(Some(if skip_line(reader)? { Found::Other } else { Found::Torn }))
    }
}

/// Reads on behind the end of the line. Returns whether there is one.
fn skip_line(reader: &mut BufReader<File>) -> io::Result<bool> {
    loop {
        let read = reader.fill_buf()?;
        let (length, end) = (read.len(), read.iter().position(|byte| *byte == b'\n'));
        reader.consume(end.map_or(length, |end| end + 1));
        if length == 0 || end.is_some() {
            return Ok(end.is_some());
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = io::Result<(Place, Found)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let path = self.files.get(self.place.file)?;
            match self.next_of_file(path) {
                Err(error) => return Some(Err(about(path, &error))),
                Ok(Some(found)) => {
                    self.place.line += 1;
                    return Some(Ok((self.place, found)));
                }
                Ok(None) => {
                    self.open = None;
                    self.place = Place { file: self.place.file + 1, line: 0 };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
