//! Why a command fails.

use arcllm::{ConfigError, Error};
use arcllm_registry::RegistryError;

/// Why a command has no result.
pub(crate) enum Failure {
    /// An argument is wrong, or something that it names.
    Usage(String),
    /// A program that the command runs has failed.
    Failed(String),
    /// The call failed, or the configuration is wrong.
    Error(Box<Error>),
    /// The result cannot be written to standard output.
    Output(std::io::Error),
    /// The result has told what is wrong.
    Told,
}

impl Failure {
    /// An argument is wrong, or something that it names.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure::Usage(message.into())
    }

    /// A program that the command runs has failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Failure::Failed(message.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(Box::new(error))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::from(Error::from(error))
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Reference { .. } | RegistryError::Key { .. } | RegistryError::File { .. } => {
                Failure::usage(error.to_string())
            }
            _ => Failure::failed(error.to_string()),
        }
    }
}
