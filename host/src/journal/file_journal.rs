//! The journal in a folder. The process has one for each folder, with a thread that writes.

use std::{
    collections::HashMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Sender, channel},
    },
    thread,
};

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    config::journal::JournalConfig,
    journal::{
        folder::{self, NotLocked},
        journal::{Entry, Journal, JournalError, RECORD},
        writer::{Job, Writer},
    },
};

/// How many kilobytes of records may wait to be written. What comes then waits for its turn.
const WAITING_KB: usize = 16 << 10;

/// The journals of the process, by folder. They stay open for its life, with their locks: a host is made anew at every reload.
static OPEN: Mutex<Option<HashMap<PathBuf, Arc<FileJournal>>>> = Mutex::new(None);

/// A journal in a folder.
pub(crate) struct FileJournal {
    jobs: Sender<Job>,
    /// The room for records that wait, in kilobytes.
    room: Arc<Semaphore>,
}

/// Why a journal cannot be opened.
#[derive(Debug)]
pub(crate) struct NotOpened(pub(crate) String);

impl fmt::Display for NotOpened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FileJournal {
    /// The process's journal in this folder. With other settings than before, all its hosts go by these.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made or written, if another process appends there, or if what is there is damaged.
    pub(crate) fn open(folder: &Path, settings: &JournalConfig) -> Result<Arc<Self>, NotOpened> {
        let failed = |error: io::Error| NotOpened(error.to_string());
        folder::make(folder).map_err(failed)?;
        // However the folder is named, there is one journal.
        let folder = folder.canonicalize().map_err(failed)?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.get_or_insert_default();
        if let Some(journal) = open.get(&folder) {
            // It fails only if the thread has ended, which an append will tell.
            let _ = journal.jobs.send(Job::Settings(settings.clone()));
            return Ok(journal.clone());
        }
        let journal = Arc::new(Self::start(&folder, settings)?);
        open.insert(folder, journal.clone());
        Ok(journal)
    }

    fn start(folder: &Path, settings: &JournalConfig) -> Result<Self, NotOpened> {
        let lock = folder::lock(folder).map_err(|error| match error {
            NotLocked::Taken(why) => NotOpened(why),
            NotLocked::Failed(error) => NotOpened(error.to_string()),
        })?;
        let writer = Writer::open(folder, settings.clone(), lock).map_err(|error| NotOpened(error.to_string()))?;
        let (jobs, waiting) = channel();
        let thread = thread::Builder::new().name("arcllm-journal".to_owned());
        thread.spawn(move || writer.run(&waiting)).map_err(|error| NotOpened(error.to_string()))?;
        Ok(Self { jobs, room: Arc::new(Semaphore::new(WAITING_KB)) })
    }
}

impl Journal for FileJournal {
    fn append(&self, entry: Entry) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move {
            let stopped = || JournalError::new("the journal cannot be written: its thread has ended");
            let kilobytes = u32::try_from(entry.record.len().min(RECORD) / 1024 + 1).unwrap_or(u32::MAX);
            let room = self.room.clone().acquire_many_owned(kilobytes).await.map_err(|_| stopped())?;
            let (done, result) = oneshot::channel();
            self.jobs.send(Job::Append { entry, done, room }).map_err(|_| stopped())?;
            result.await.map_err(|_| stopped())?
        })
    }
}

#[cfg(test)]
mod tests;
