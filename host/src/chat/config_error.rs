//! What is wrong with a configuration, where, and what would be right.

use std::{fmt, path::PathBuf};

use crate::chat::{
    extensions::Extensions,
    failure::Failure,
    plain::{self, MESSAGE, SENTENCE},
};

/// A mistake in the configuration, or in what it points to. Nothing was sent.
///
/// It becomes an [`Error`](crate::Error) by `?`, with all that it says. Its texts hold nothing that a terminal obeys:
/// files and modules have their say in them.
///
/// ```
/// let error = arcllm::Config::parse("[defaults]\nmax_token = 5", None).unwrap_err();
/// assert_eq!((error.line, error.key.as_deref()), (Some(2), Some("defaults.max_token")));
/// assert_eq!(error.help.as_deref(), Some("did you mean `max_tokens`?"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The file; absent if the setting is in no file.
    pub file: Option<PathBuf>,
    /// The line of `file`, counted from one.
    pub line: Option<usize>,
    /// The dotted path of the setting, such as `providers.anthropic.timeout_seconds`.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub help: Option<String>,
    /// The provider that a call could not ask; absent while a model is loaded.
    pub provider: Option<String>,
    /// Further data about it.
    pub extensions: Extensions,
    /// Whether the name of a model or of a provider is unknown.
    pub(crate) is_unknown_model: bool,
}

impl ConfigError {
    /// An error that says what is wrong, and not yet where.
    pub fn new(problem: impl Into<String>) -> Self {
        let problem = plain::lines(&problem.into(), MESSAGE).into_owned();
        let (file, line, key, help, provider) = (None, None, None, None, None);
        Self { file, line, key, problem, help, provider, extensions: Extensions::new(), is_unknown_model: false }
    }

    /// An error about a name that no model and no provider has.
    pub(crate) fn unknown_model(problem: impl Into<String>) -> Self {
        Self { is_unknown_model: true, ..Self::new(problem) }
    }

    /// Whether [`load_model`](crate::Host::load_model) was given a name that stands for nothing. Otherwise something is wrong
    /// with the configuration.
    pub fn is_unknown_model(&self) -> bool {
        self.is_unknown_model
    }

    /// Adds what to do. An empty text adds nothing.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        let help = plain::lines(&help.into(), MESSAGE).into_owned();
        self.help = Some(help).filter(|help| !help.is_empty());
        self
    }

    /// Adds the setting.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds the file.
    #[must_use]
    pub fn file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Adds the provider that could not be asked.
    #[must_use]
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into()).filter(|provider| !provider.is_empty());
        self
    }
}

impl From<Failure> for ConfigError {
    fn from(failure: Failure) -> Self {
        let Failure { message, provider, extensions } = failure;
        Self { provider, extensions, ..Self::new(message) }
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
