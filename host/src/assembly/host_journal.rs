//! The journal of a host. It is opened when a module is loaded that appends to it.

use std::{path::Path, sync::Arc};

use tokio::sync::Mutex;

use crate::{
    chat::config_error::ConfigError,
    config::config::Config,
    journal::{file_journal::FileJournal, folder, journal::Journal},
    runtime::guest::place::OpenedJournal,
};

/// The setting with the folder.
const KEY: &str = "journal.folder";

/// The journal of a host.
pub(crate) struct HostJournal {
    config: Arc<Config>,
    /// What the modules append to.
    pub(crate) opened: OpenedJournal,
    opening: Mutex<()>,
}

impl HostJournal {
    /// The journal of this configuration, or the program's own.
    pub(crate) fn new(config: Arc<Config>, own: Option<Arc<dyn Journal>>) -> Self {
        let opened = OpenedJournal::default();
        if let Some(own) = own {
            // It is empty.
            let _ = opened.set(own);
        }
        Self { config, opened, opening: Mutex::default() }
    }

    /// Opens the journal, unless it is open.
    ///
    /// # Errors
    ///
    /// If there is no folder, or records cannot be written there.
    pub(crate) async fn open(&self) -> Result<(), ConfigError> {
        let _one_at_a_time = self.opening.lock().await;
        if self.opened.get().is_some() {
            return Ok(());
        }
        let (config, folder) = (self.config.clone(), self.folder()?.to_owned());
        let opening = move || {
            config.check_journal_is_trusted()?;
            FileJournal::open(&folder, &config.journal).map_err(|why| unusable(&config, &folder, &why.0))
        };
        let opened = tokio::task::spawn_blocking(opening).await;
        let journal = opened.map_err(|error| ConfigError::new(format!("opening the journal failed: {error}")))??;
        // Nobody else opens it.
        let _ = self.opened.set(journal);
        Ok(())
    }

    /// Finds out whether the journal could be opened, without opening it: another process may have it open.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.opened.get().is_some() {
            return Ok(());
        }
        let folder = self.folder()?;
        self.config.check_journal_is_trusted()?;
        folder::probe(folder).map_err(|error| unusable(&self.config, folder, &error.to_string()))
    }

    fn folder(&self) -> Result<&Path, ConfigError> {
        self.config.journal.folder.as_deref().ok_or_else(|| {
            let error = self.config.document.error(Some(KEY), "is missing, and a module appends to the journal");
            error.help("write a config.toml with it: [journal] folder = \"journal\"")
        })
    }
}

fn unusable(config: &Config, folder: &Path, why: &str) -> ConfigError {
    let problem = format!("is {folder:?}, which cannot be used: {why}");
    config.document.error(Some(KEY), problem).help("name a folder that this process alone appends to")
}
