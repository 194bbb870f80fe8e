//! Writes what many calls append: one write and one sync for all that have come meanwhile.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant, SystemTime},
};

use metrics::counter;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{
    config::journal::{Fsync, JournalConfig},
    journal::{
        file::{self, JournalFile, Torn},
        folder,
        head::{self, Head},
        journal::{Entry, JournalError},
        line::{self, Link},
    },
};

/// How many bytes are written at once, unless one line is longer.
const BATCH: usize = 1 << 20;

/// How far apart syncs are with `every_second`.
const SECOND: Duration = Duration::from_secs(1);

/// How far apart in time failures are logged.
const TOLD: Duration = Duration::from_secs(60);

/// What the thread is asked to do.
pub(crate) enum Job {
    /// Append this entry, and tell how it went.
    Append {
        /// The entry.
        entry: Entry,
        /// Takes the result.
        done: oneshot::Sender<Result<(), JournalError>>,
        /// The room that the entry takes up while it waits.
        room: OwnedSemaphorePermit,
    },
    /// Go by these settings from now on.
    Settings(JournalConfig),
}

/// The thread's own. It owns the files, so no call ever waits for a lock.
pub(crate) struct Writer {
    folder: PathBuf,
    file: JournalFile,
    head: Head,
    settings: JournalConfig,
    /// Since when something waits to be synced.
    unsynced: Option<Instant>,
    /// When a failure was logged last.
    told: Option<Instant>,
    /// Keeps other processes out.
    _lock: File,
}

/// An entry that is appended together with others.
type Waiting = (Entry, oneshot::Sender<Result<(), JournalError>>, OwnedSemaphorePermit);

impl Writer {
    /// A writer of this folder, which it has locked.
    ///
    /// # Errors
    ///
    /// As [`JournalFile::open`].
    pub(crate) fn open(folder: &Path, settings: JournalConfig, lock: File) -> io::Result<Self> {
        let (file, torn) = JournalFile::open(folder)?;
        if settings.fsync == Fsync::Always {
            folder::sync(folder)?;
        }
        let (unsynced, told, noted, found) = (None, None, head::read(folder), file.link());
        let head = Head::open(folder)?;
        let mut writer = Self { folder: folder.to_owned(), file, head, settings, unsynced, told, _lock: lock };
        if let Some(torn) = torn {
            writer.tell_of_torn(&torn);
        }
        // A note that is behind is one that a process had no time to write.
        match noted {
            Some(noted)
                if noted.sequence > found.sequence
                    || (noted.sequence == found.sequence && noted.hash != found.hash) =>
            {
                writer.tell_of_lost(noted, found.sequence);
            }
            None if found.sequence > 0 => writer.tell_of_no_head(found.sequence),
            _ => {}
        }
        writer.note_head();
        Ok(writer)
    }

    /// Appends what comes, until nobody can ask any more.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let job = match self.unsynced {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(since) => jobs.recv_timeout(SECOND.saturating_sub(since.elapsed())),
            };
            match job {
                Ok(Job::Settings(settings)) => self.settings = settings,
                Ok(Job::Append { entry, done, room }) => self.append_all((entry, done, room), jobs),
                Err(RecvTimeoutError::Timeout) => self.sync_late(),
                Err(RecvTimeoutError::Disconnected) => return self.sync_late(),
            }
        }
    }

    /// Appends this entry and those that have come meanwhile.
    fn append_all(&mut self, first: Waiting, jobs: &Receiver<Job>) {
        let mut bytes = first.0.record.len();
        let (mut batch, mut settings) = (vec![first], None);
        while bytes < BATCH && settings.is_none() {
            match jobs.try_recv() {
                Ok(Job::Append { entry, done, room }) => {
                    bytes = bytes.saturating_add(entry.record.len());
                    batch.push((entry, done, room));
                }
                Ok(Job::Settings(new)) => settings = Some(new),
                Err(_) => break,
            }
        }
        let written = self.write(batch.iter().map(|(entry, ..)| entry));
        match &written {
            Ok(()) => counter!("arcllm.journal.records").increment(u64::try_from(batch.len()).unwrap_or(u64::MAX)),
            Err(error) => self.tell_of_failure(error, batch.len()),
        }
        for (_, done, _room) in batch {
            let result = written.as_ref().map_err(for_module).copied();
            // The call may be over.
            let _ = done.send(result);
        }
        if let Some(settings) = settings {
            self.settings = settings;
        }
        if self.unsynced.is_some_and(|since| since.elapsed() >= SECOND) {
            self.sync_late();
        }
    }

    /// Writes all of these entries, or none.
    fn write<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) -> io::Result<()> {
        let (mut lines, mut link, now) = (String::new(), self.file.link(), SystemTime::now());
        for entry in entries {
            link = line::write(&mut lines, entry, now, link);
        }
        let rotated = self.make_room(lines.len())?;
        self.append(&lines, link)?;
        if let Some(keep) = self.settings.keep_files.filter(|_| rotated) {
            // The records are kept. Whether old ones are deleted is another question.
            if let Err(error) = self.delete_old(usize::try_from(keep).unwrap_or(usize::MAX)) {
                tracing::warn!("an old file of the journal cannot be deleted: {error}");
            }
        }
        Ok(())
    }

    /// Appends whole lines, which end at `link`, as safely as the settings say.
    fn append(&mut self, lines: &str, link: Link) -> io::Result<()> {
        let before = (self.file.length(), self.file.link());
        self.file.append(lines, link)?;
        match self.settings.fsync {
            // What could not be synced may be lost later, and nobody would be told then.
            Fsync::Always => {
                self.file.sync().inspect_err(|_| self.file.take_back(before.0, before.1))?;
            }
            Fsync::EverySecond => drop(self.unsynced.get_or_insert_with(Instant::now)),
            Fsync::Never => {}
        }
        self.note_head();
        Ok(())
    }

    /// Notes how far the journal has come. The records are kept without it: only a cut end would not show.
    fn note_head(&mut self) {
        if let Err(error) = self.head.set(self.file.link())
            && self.may_tell()
        {
            tracing::warn!("{} in {} cannot be written: {error}", head::NAME, self.folder.display());
        }
    }

    /// Deletes the oldest files, and says so in the journal before: what is missing without that was removed by somebody.
    fn delete_old(&mut self, keep: usize) -> io::Result<()> {
        let Some((files, first)) = file::too_many(&self.folder, keep)? else { return Ok(()) };
        self.append_own(&serde_json::json!({ "event": "deleted", "before": first }))?;
        files.iter().try_for_each(fs::remove_file)
    }

    /// Appends a record of the host itself.
    fn append_own(&mut self, record: &serde_json::Value) -> io::Result<()> {
        // Without a name, since it is the host's own.
        let entry = Entry { module: "".into(), inside: Vec::new(), record: record.to_string() };
        let mut line = String::new();
        let link = line::write(&mut line, &entry, SystemTime::now(), self.file.link());
        self.append(&line, link)
    }

    /// Begins the next file if this one would become too large. Returns whether it did.
    fn make_room(&mut self, bytes: usize) -> io::Result<bool> {
        let length = self.file.length().saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let is_full = self.file.length() > 0 && length > self.settings.max_mb.saturating_mul(1 << 20);
        if is_full {
            self.file.rotate(self.settings.fsync != Fsync::Never)?;
            self.unsynced = None;
        }
        Ok(is_full)
    }

    /// Syncs what was appended in the last second.
    fn sync_late(&mut self) {
        if self.unsynced.take().is_some()
            && let Err(error) = self.file.sync()
        {
            tracing::error!("the journal in {} may lose records of the last second: {error}", self.folder.display());
        }
    }

    /// Writes into the journal, too, that a line was cut off.
    fn tell_of_torn(&mut self, torn: &Torn) {
        let Torn { bytes, kept_in } = torn;
        tracing::warn!(
            "the last line of the journal in {} was not written to its end: its {bytes} bytes were moved to {}",
            self.folder.display(),
            kept_in.display(),
        );
        let kept_in = kept_in.file_name().unwrap_or_default().to_string_lossy();
        let record = serde_json::json!({ "event": "recovered", "cut_bytes": bytes, "kept_in": kept_in });
        if let Err(error) = self.append_own(&record) {
            self.tell_of_failure(&error, 1);
        }
    }

    /// Writes into the journal, too, that records are not there which were there before.
    fn tell_of_lost(&mut self, noted: Link, found: u64) {
        let Link { sequence, hash } = noted;
        tracing::error!(
            "the journal in {} ends with record {found}, and {} notes record {sequence}: its end was cut off or changed, or a loss \
             of power took it",
            self.folder.display(),
            head::NAME,
        );
        let record = serde_json::json!({ "event": "lost", "noted_seq": sequence, "noted_hash": hash });
        if let Err(error) = self.append_own(&record) {
            self.tell_of_failure(&error, 1);
        }
    }

    /// Tells that the note of how far the journal has come is gone, in the log and in the journal.
    fn tell_of_no_head(&mut self, found: u64) {
        tracing::warn!(
            "the journal in {} has {found} records, and {} is missing or is not the host's: records at the end may have been removed",
            self.folder.display(),
            head::NAME,
        );
        if let Err(error) = self.append_own(&serde_json::json!({ "event": "head_missing", "found_seq": found })) {
            self.tell_of_failure(&error, 1);
        }
    }

    /// Whether a failure may be logged now.
    fn may_tell(&mut self) -> bool {
        let may = self.told.is_none_or(|told| told.elapsed() >= TOLD);
        if may {
            self.told = Some(Instant::now());
        }
        may
    }

    fn tell_of_failure(&mut self, error: &io::Error, records: usize) {
        counter!("arcllm.journal.failures").increment(u64::try_from(records).unwrap_or(u64::MAX));
        if self.may_tell() {
            tracing::error!("the journal in {} cannot be written: {error}", self.folder.display());
        }
    }
}

/// The error without names of files: a module may hand it to a client.
fn for_module(error: &io::Error) -> JournalError {
    match error.raw_os_error() {
        Some(_) => JournalError::new(format!("the journal cannot be written: {error}")),
        None => JournalError::new("the journal cannot be written: the log of the host says why"),
    }
}
