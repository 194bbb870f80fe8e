//! Whether the server can serve, and what is wrong with its configuration.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::SystemTime,
};

use arcllm::ConfigError;

/// Whether the server can serve.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    stage: AtomicU8,
    troubles: Mutex<Troubles>,
}

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It compiles modules and loads models.
    Starting,
    /// It serves.
    Ready,
    /// It finishes what runs.
    Stopping,
}

impl Stage {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
        }
    }
}

/// What is wrong with the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Troubles {
    /// The last reload, if it failed: when, and why.
    pub(crate) reload: Option<(SystemTime, String)>,
    /// The configured models that cannot be loaded, each with the reason.
    pub(crate) models: BTreeMap<String, String>,
}

impl Readiness {
    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Starting,
            1 => Stage::Ready,
            _ => Stage::Stopping,
        }
    }

    /// Goes on to this stage. There is no way back.
    pub(crate) fn reach(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::Relaxed);
    }

    pub(crate) fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The words of an error for those who may not know where files are.
pub(crate) fn without_file(error: &ConfigError) -> String {
    let mut error = error.clone();
    let line = error.file.take().and(error.line).map(|line| format!("line {line}: "));
    without_folders(&format!("{}{error}", line.unwrap_or_default()))
}

/// The text with the names of files in place of their full paths.
fn without_folders(text: &str) -> String {
    let is_end = |letter: char| letter.is_whitespace() || "`\"'(),;".contains(letter);
    let short = |word: &str| {
        let (word, end) = word.split_at(word.trim_end_matches(is_end).len());
        let is_path = word.starts_with('/') || word.get(1..3) == Some(":\\");
        let name = word.rsplit(['/', '\\']).next().filter(|_| is_path);
        format!("{}{end}", name.unwrap_or(word))
    };
    text.split_inclusive(is_end).map(short).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_stops_does_not_become_ready() {
        let readiness = Readiness::default();
        for (reached, stage) in
            [(Stage::Ready, Stage::Ready), (Stage::Stopping, Stage::Stopping), (Stage::Ready, Stage::Stopping)]
        {
            readiness.reach(reached);
            assert_eq!(readiness.stage(), stage);
        }
    }

    #[test]
    fn an_error_keeps_its_line_and_loses_its_file() {
        let error = arcllm::Config::parse("[x]", Some("/etc/secret/config.toml".as_ref())).unwrap_err();
        let text = without_file(&error);
        assert!(text.starts_with("line 1: `x` ") && !text.contains("secret"), "{text}");
        for (text, short) in [
            ("and /opt/a b/x.wasm does not exist", "and a b/x.wasm does not exist"),
            ("`/opt/a/x.wasm`: \"/b\", (/c/d); https://a.test/b 1/2", "`x.wasm`: \"b\", (d); https://a.test/b 1/2"),
            ("C:\\a\\x.wasm is no module\n  help: /x/y", "x.wasm is no module\n  help: y"),
        ] {
            assert_eq!(without_folders(text), short);
        }
    }
}
