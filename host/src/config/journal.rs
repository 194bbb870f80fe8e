//! Where the journal of modules is kept: `[journal]`.

use std::path::{Path, PathBuf};

use crate::{chat::config_error::ConfigError, config::section::Section};

/// The folder beside the configuration, unless it says otherwise.
const FOLDER: &str = "journal";

/// `[journal]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalConfig {
    /// The folder, relative to the configuration: by default `journal` beside it. Absent without a configuration file.
    pub folder: Option<PathBuf>,
    /// How large a file becomes before the next one begins, in binary megabytes.
    pub max_mb: u64,
    /// How many files are kept. Absent is all: nothing is deleted.
    pub keep_files: Option<u32>,
    /// When records are made to last through a loss of power.
    pub fsync: Fsync,
}

/// When records are made to last through a loss of power. A process that ends loses none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fsync {
    /// Before an append is done: a loss of power takes no record that a module was told is kept.
    #[default]
    Always,
    /// Every second: a loss of power takes the records of the last second.
    EverySecond,
    /// When the system does it: a loss of power takes the records of half a minute or more.
    Never,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { folder: None, max_mb: 64, keep_files: None, fsync: Fsync::default() }
    }
}

impl JournalConfig {
    /// Reads `[journal]` of this file.
    pub(crate) fn read(mut section: Section<'_>, file: Option<&Path>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let folder = section.text("folder")?.or_else(|| file.map(|_| FOLDER.to_owned()));
        let config = Self {
            folder: folder.map(|folder| section.directory().join(folder)),
            max_mb: section.megabytes("max_mb")?.unwrap_or(default.max_mb),
            keep_files: section.count_u32("keep_files")?,
            fsync: fsync(&mut section)?.unwrap_or_default(),
        };
        section.finish()?;
        Ok(config)
    }
}

fn fsync(section: &mut Section<'_>) -> Result<Option<Fsync>, ConfigError> {
    let Some(word) = section.text("fsync")? else { return Ok(None) };
    match word.as_str() {
        "always" => Ok(Some(Fsync::Always)),
        "every_second" => Ok(Some(Fsync::EverySecond)),
        "never" => Ok(Some(Fsync::Never)),
        _ => Err(section.error("fsync", format!("is {word:?}")).help("\"always\", \"every_second\" or \"never\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::config::Config;

    fn read(text: &str) -> Result<JournalConfig, ConfigError> {
        Config::parse(text, Some(Path::new("/etc/arcllm/config.toml"))).map(|config| config.journal)
    }

    #[test]
    fn every_setting_is_read_and_has_a_default() {
        let journal =
            read("[journal]\nfolder = \"a/b\"\nmax_mb = 1\nkeep_files = 2\nfsync = \"every_second\"").unwrap();
        assert_eq!(journal.folder.as_deref(), Some(Path::new("/etc/arcllm/a/b")));
        assert_eq!((journal.max_mb, journal.keep_files, journal.fsync), (1, Some(2), Fsync::EverySecond));
        let folder = Some(PathBuf::from("/etc/arcllm/journal"));
        assert_eq!(read("").unwrap(), JournalConfig { folder, ..JournalConfig::default() });
        assert_eq!(Config::parse("", None).unwrap().journal, JournalConfig::default());
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_would_be_right() {
        for (text, key, help) in [
            ("[journal]\nfsync = \"sometimes\"", "journal.fsync", "\"every_second\""),
            ("[journal]\nfsync = true", "journal.fsync", "a text in quotes"),
            ("[journal]\nmax_mb = 0", "journal.max_mb", "a whole number of megabytes above zero"),
            ("[journal]\nkeep_files = 0", "journal.keep_files", "a whole number from 1"),
            ("[journal]\nfolder = \"\"", "journal.folder", "a text in quotes"),
            ("[journal]\npath = \"x\"", "journal.path", "known are"),
            ("[journal]\nkeep_file = 3", "journal.keep_file", "did you mean `keep_files`?"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.key.as_deref(), error.line), (Some(key), Some(2)), "{text}");
            assert!(error.help.as_deref().unwrap_or_default().contains(help), "{text}: {error}");
        }
    }
}
