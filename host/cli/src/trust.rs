//! `arcllm trust`: remembers which configurations its user trusts.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anstyle::{AnsiColor, Style};
use arcllm::{Config, Host, Lock, TrustStore, TrustedFile};
use sha2::{Digest as _, Sha256};

use crate::{
    bounded,
    failure::Failure,
    output::{line, word},
};

const STRONG: Style = Style::new().bold();
const ODD: Style = AnsiColor::Yellow.on_default();

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A ./config.toml may be a stranger's: it comes with a repository that you clone. Until you trust it,
  - a key is sent only to the host that the key's preset names,
  - conversations are sent only there, or to this machine,
  - no module is loaded from a file,
  - its journal is written only into its own folder,
  - `arcllm serve` takes from it no keys of clients, no TLS and no address for other machines.
Trust is for one file with one content, the arcllm.lock beside it and the key files of its [trust].
After a change of one of them, trust the file again. `arcllm module` does that when it changes a
file that is trusted.
Trust does not cover what else the file names. To pin a module's file, set `sha256` in its sandbox.")]
pub(crate) struct Trust {
    /// The configuration file.
    #[arg(default_value = "config.toml")]
    pub(crate) file: PathBuf,
    /// Stop trusting it.
    #[arg(long)]
    pub(crate) forget: bool,
    /// List the trusted files, and mark those that have changed or are gone.
    #[arg(long, conflicts_with_all = ["forget", "file"])]
    pub(crate) list: bool,
}

pub(crate) fn run(arguments: &Trust) -> Result<ExitCode, Failure> {
    let store = TrustStore::of_user().ok_or_else(|| {
        let help = "set XDG_STATE_HOME or HOME to an absolute path";
        Failure::usage(format!("there is no folder to remember trusted files in\n  help: {help}"))
    })?;
    match arguments {
        Trust { list: true, .. } => list(&store)?,
        Trust { forget: true, file, .. } => forget(&store, file)?,
        Trust { file, .. } => trust(&store, file)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Remembers the file, and says what that allows.
fn trust(store: &TrustStore, file: &Path) -> Result<(), Failure> {
    let text = bounded::read_file(file, bounded::CONFIGURATION).map_err(|error| {
        let help = "name the configuration to trust: `arcllm trust FILE`";
        Failure::usage(format!("{}: cannot be read: {error}\n  help: {help}", file.display()))
    })?;
    // The text that is shown is the one that is remembered.
    let host = Host::builder().config(Config::parse(&text, Some(file))?).watch(false).build()?;
    let lock = lock_text(file, host.config())?;
    let keys = host.config().signers.keys();
    let trusted = store.trust(file, &text, lock.as_deref(), &keys)?;
    line!("{STRONG}trusted{STRONG:#}     {}", word(&trusted.file.display().to_string()))?;
    line!("{STRONG}sha256{STRONG:#}      {}", trusted.sha256)?;
    match host.takes_trust().as_slice() {
        [] => line!("It does nothing that needs trust."),
        powers => {
            line!("Until it changes:")?;
            powers.iter().try_for_each(|power| line!("  {power}"))
        }
    }
}

/// The text of the lock beside the configuration, which must be the one that was shown.
fn lock_text(file: &Path, config: &Config) -> Result<Option<String>, Failure> {
    let lock = Lock::file(file);
    match bounded::read_file(&lock, bounded::CONFIGURATION) {
        Ok(text) if Lock::parse(&text, &lock)? == config.lock => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && config.lock.modules.is_empty() => Ok(None),
        Ok(_) | Err(_) => {
            Err(Failure::usage(format!("{}: changes while it is read\n  help: run this again", lock.display())))
        }
    }
}

fn forget(store: &TrustStore, file: &Path) -> Result<(), Failure> {
    let name = file.display();
    match store.forget(file)? {
        true => line!("{} is no longer trusted", word(&name.to_string())),
        false => Err(Failure::usage(format!(
            "{name}: this file is not trusted\n  help: `arcllm trust --list` shows the files that are"
        ))),
    }
}

fn list(store: &TrustStore) -> Result<(), Failure> {
    let files = store.files()?;
    if files.is_empty() {
        return line!("no configuration is trusted");
    }
    files.iter().try_for_each(|trusted| {
        let mark = mark(trusted).map(|mark| format!("  {ODD}{mark}{ODD:#}")).unwrap_or_default();
        line!("{}  {}{mark}", trusted.sha256, word(&trusted.file.display().to_string()))
    })
}

/// Says why a trusted file has no effect as it is now.
fn mark(trusted: &TrustedFile) -> Option<String> {
    match bounded::read_file(&trusted.file, bounded::CONFIGURATION) {
        Ok(content) if format!("{:x}", Sha256::digest(content.as_bytes())) == trusted.sha256 => {
            let key = trusted.changed_key()?;
            Some(format!("{} has changed: trust it again", word(&key.display().to_string())))
        }
        Ok(_) => Some("changed: trust it again".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("gone: forget it".to_owned()),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}
