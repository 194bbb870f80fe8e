//! Where the key of a provider comes from: `api_key_env`, `api_key_file` or `api_key_command`.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use crate::{chat::config_error::ConfigError, config::section::Section};

/// Where a key comes from. A configuration file never holds one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeySource {
    /// The key itself, which the program gave: [`ProviderConfig::key`](crate::ProviderConfig::key). `Debug` hides it.
    Secret(SecretString),
    /// `api_key_env`: the environment variable of this name.
    Env(String),
    /// `api_key_file`: the content of this file. Its path is relative to the configuration.
    File(PathBuf),
    /// `api_key_command`: the output of this program. It runs without a shell.
    Command {
        /// The program. A path with a folder is relative to the configuration; a plain name is searched on the `PATH`.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

impl PartialEq for KeySource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(one), Self::Secret(other)) => one.expose_secret() == other.expose_secret(),
            (Self::Env(one), Self::Env(other)) => one == other,
            (Self::File(one), Self::File(other)) => one == other,
            (Self::Command { program, arguments }, Self::Command { program: other, arguments: others }) => {
                (program, arguments) == (other, others)
            }
            _ => false,
        }
    }
}

impl KeySource {
    /// Reads the key setting of a provider. There is at most one.
    pub(crate) fn read(section: &mut Section<'_>) -> Result<Option<Self>, ConfigError> {
        let env = variable(section)?.map(KeySource::Env);
        let file = section.text("api_key_file")?.map(|file| KeySource::File(section.directory().join(file)));
        let command = command(section)?;
        let mut given = [env, file, command].into_iter().flatten();
        let source = given.next();
        match (&source, given.next()) {
            (Some(first), Some(second)) => {
                let problem = format!("is set beside `{}`, but a provider has one key", first.setting());
                let error = section.error(second.setting(), problem);
                Err(error.help("set one of api_key_env, api_key_file and api_key_command"))
            }
            _ => Ok(source),
        }
    }

    /// The setting that names this source.
    pub(crate) fn setting(&self) -> &'static str {
        match self {
            KeySource::Secret(_) => "key",
            KeySource::Env(_) => "api_key_env",
            KeySource::File(_) => "api_key_file",
            KeySource::Command { .. } => "api_key_command",
        }
    }
}

/// Reads the name of a variable. Errors do not repeat a wrong name: it may be a key.
fn variable(section: &mut Section<'_>) -> Result<Option<String>, ConfigError> {
    // An empty text removes the key of a preset, for a local server in place of the provider.
    let name = section.text_or_empty("api_key_env")?.filter(|name| !name.is_empty());
    match name.as_deref().is_none_or(is_variable) {
        true => Ok(name),
        false => {
            let error = section.error("api_key_env", "is not the name of an environment variable");
            Err(error
                .help("the name of the variable that holds the key, such as \"OPENAI_API_KEY\"; never the key itself"))
        }
    }
}

/// Whether this can be the name of an environment variable.
pub(crate) fn is_variable(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads a program and its arguments. Errors do not repeat them: an argument may be a secret.
fn command(section: &mut Section<'_>) -> Result<Option<KeySource>, ConfigError> {
    let Some(words) = section.texts("api_key_command")? else { return Ok(None) };
    let problem = match words.first() {
        None => "is an empty list",
        Some(program) if program.is_empty() => "begins with an empty text",
        Some(_) if words.iter().any(|word| word.contains('\0')) => "holds a zero byte",
        Some(_) => {
            let mut words = words.into_iter();
            let program = PathBuf::from(words.next().unwrap_or_default());
            // A plain name is never searched in the working directory.
            let has_folder = program.parent().is_some_and(|parent| !parent.as_os_str().is_empty());
            let program = if has_folder { section.directory().join(program) } else { program };
            return Ok(Some(KeySource::Command { program, arguments: words.collect() }));
        }
    };
    let help = "a program and its arguments, such as [\"pass\", \"show\", \"openai\"]; it runs without a shell";
    Err(section.error("api_key_command", problem).help(help))
}
