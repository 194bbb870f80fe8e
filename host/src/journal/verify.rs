//! Checks the chain of a journal. Reads its files from the beginning to the end, and keeps one line at a time.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::journal::{
    chain::{Break, Chain, Found, JournalFault, Place},
    folder, head,
    line::{self, Hash, Link},
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
    /// Whether `journal.head` beside the last file says how far the journal has come, so that a cut end shows.
    pub end_is_noted: bool,
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

/// What a journal is checked for.
#[derive(Debug, Clone, Default)]
pub struct JournalCheck {
    /// The files. A folder stands for the files of the journal in it. They are read in the order of their names.
    pub paths: Vec<PathBuf>,
    /// Hashes that records must have.
    pub expected: Vec<Hash>,
    /// The hash of the record before the first one, if the files are a later part of a journal.
    pub after: Option<Hash>,
}

/// Checks that all records of a journal are there as they were written.
///
/// The first one is record 1, unless the journal says that files before it were deleted, or the check names the hash before it.
/// A single file can be checked for itself. The last one is that of `journal.head`, if that is beside the last file.
///
/// The hashes show a change by somebody who does not compute all that follow anew. Against somebody who does, compare with a
/// hash that was noted elsewhere.
///
/// # Errors
///
/// If a file cannot be read, or a folder has no journal.
pub fn verify_journal(check: &JournalCheck) -> io::Result<JournalReport> {
    let files = files(&check.paths)?;
    // Before the lines, which may become more meanwhile.
    let noted = noted(&files);
    let (mut chain, mut missing, mut noted_is) = (Chain::new(), check.expected.clone(), None);
    let broken = chain.follow(&mut Lines::new(&files), |link| {
        missing.retain(|expected| *expected != link.hash);
        if noted.is_some_and(|noted| noted.sequence == link.sequence) {
            noted_is = Some(link);
        }
    })?;
    let problem = match broken.or_else(|| begins_wrong(check, &files, &chain)) {
        Some(Break { place, fault, message }) => {
            Some(JournalProblem { file: files.get(place.file).cloned(), line: Some(place.line), what: fault, message })
        }
        None => ends_wrong(check, &chain, noted, noted_is).or_else(|| {
            let hash = missing.first()?;
            let message = format!("no record has the hash {hash}: the end was cut off, or this is another journal");
            Some(JournalProblem { file: None, line: None, what: JournalFault::Unknown, message })
        }),
    };
    let record =
        |line: line::Line| JournalRecord { sequence: line.link.sequence, time: line.time, hash: line.link.hash };
    Ok(JournalReport {
        valid: problem.is_none(),
        files: files.len(),
        records: chain.records,
        first: chain.first.map(record),
        last: chain.last.map(record),
        end_is_noted: noted.is_some(),
        problem,
    })
}

/// What is noted of the end, if the last of these files is the newest one of its folder.
fn noted(files: &[PathBuf]) -> Option<Link> {
    let last = files.last()?;
    let folder = match last.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let newest = folder::files(folder).ok()?.pop()?;
    (newest.file_name() == last.file_name()).then(|| head::read(folder))?
}

/// The break, if records before the first one are missing.
fn begins_wrong(check: &JournalCheck, files: &[PathBuf], chain: &Chain) -> Option<Break> {
    let (first, place) = (chain.first.as_ref()?, chain.begins?);
    let number = first.link.sequence;
    if let Some(after) = check.after {
        let message = format!("record {number} does not follow the hash {after}");
        return (first.prev != after).then_some(Break { place, fault: JournalFault::Removed, message });
    }
    let of_name = |file: &PathBuf| folder::first_line(file.file_name()?.to_str()?);
    // One file of several can be looked at alone.
    let is_part =
        matches!((&check.paths[..], files), ([path], [file]) if path == file && of_name(file) == Some(number));
    if number == 1 || number <= chain.deleted_before || is_part {
        return None;
    }
    let missing = match number {
        2 => "record 1 is".to_owned(),
        _ => format!("records 1 to {} are", number.saturating_sub(1)),
    };
    let message = format!(
        "{missing} missing before this line. If they are kept elsewhere, give the hash of the last with --after"
    );
    Some(Break { place, fault: JournalFault::Removed, message })
}

/// What is wrong with the end, by what is noted of it. `found` is the line with the noted number.
fn ends_wrong(check: &JournalCheck, chain: &Chain, noted: Option<Link>, found: Option<Link>) -> Option<JournalProblem> {
    let last = chain.last.as_ref().map_or(0, |last| last.link.sequence);
    let problem = |what, message| Some(JournalProblem { file: None, line: None, what, message });
    match noted {
        Some(noted) if noted.sequence > last => problem(
            JournalFault::Removed,
            format!(
                "the end was cut off: {} notes record {}, and record {last} is the last",
                head::NAME,
                noted.sequence
            ),
        ),
        Some(noted) if found.is_some_and(|found| found.hash != noted.hash) => problem(
            JournalFault::Changed,
            format!("record {} is another one than {} notes, and all after it follow that", noted.sequence, head::NAME),
        ),
        None if last == 0 => problem(
            JournalFault::Unknown,
            format!("there is no record, and no {} that says that there was none", head::NAME),
        ),
        // A host always writes it. Files that were copied are named one by one.
        None if check.paths.iter().any(|path| path.is_dir()) => problem(
            JournalFault::Removed,
            format!(
                "{} is missing or is not the host's, so the end may have been cut off. To check files that were copied without \
                 it, name them",
                head::NAME
            ),
        ),
        _ => None,
    }
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
    // A file may be named twice, in two ways.
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
    files.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
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
            open => open.insert(BufReader::with_capacity(64 << 10, open_ordinary(path)?)),
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

/// Opens a file to read it. Others, such as a pipe, could make the check wait for ever.
fn open_ordinary(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no ordinary file")),
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
