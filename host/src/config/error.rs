//! What is wrong with a configuration, where, and what would be right.

use std::{fmt, path::PathBuf};

use crate::chat::{
    error::{ErrorKind, Failure},
    plain::{self, MESSAGE, SENTENCE},
};

/// Something in the configuration, or in what it points to, that will not do. Nothing was sent. Its texts are cleaned: a
/// module has its say in them, and so has a file that somebody else may have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file; absent if the setting came with the call.
    pub file: Option<PathBuf>,
    /// The line of `file`, counted from one.
    pub line: Option<usize>,
    /// The dotted path of the setting, such as `providers.anthropic.timeout_seconds`.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub help: Option<String>,
}

impl ConfigError {
    /// An error with no place yet.
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        let problem = plain::lines(&problem.into(), MESSAGE).into_owned();
        Self { file: None, line: None, key: None, problem, help: None }
    }

    /// The same, with what would be right.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        let help = plain::lines(&help.into(), MESSAGE).into_owned();
        self.help = Some(help).filter(|help| !help.is_empty());
        self
    }

    /// The same, about this setting.
    #[must_use]
    pub(crate) fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same, about this file.
    #[must_use]
    pub(crate) fn file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(formatter, "{}:", plain::line(&file.display().to_string(), SENTENCE))?;
            self.line.map_or(Ok(()), |line| write!(formatter, "{line}:"))?;
            formatter.write_str(" ")?;
        }
        if let Some(key) = &self.key {
            write!(formatter, "`{}` ", plain::line(key, SENTENCE))?;
        }
        write!(formatter, "{}", self.problem)?;
        match &self.help {
            Some(help) => write!(formatter, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl From<ConfigError> for ErrorKind {
    fn from(error: ConfigError) -> Self {
        ErrorKind::Config(Failure::new("", error.to_string()))
    }
}

impl From<ConfigError> for crate::chat::error::Error {
    fn from(error: ConfigError) -> Self {
        ErrorKind::from(error).into()
    }
}

/// The name among `known` that was probably meant, as a help text; else all of them.
pub(crate) fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known)).min();
    match nearest {
        Some((distance, known)) if distance <= 2.max(name.len() / 3) => format!("did you mean `{known}`?"),
        Some(_) => format!("known are {}", known.join(", ")),
        None => "there is none to choose from".to_owned(),
    }
}
