//! Reads the key of a provider, keeps it, and reads it again after the provider has refused it.

use std::{fmt::Display, io::Read as _, path::Path, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use futures::future::{BoxFuture, FutureExt as _};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    adapter::{
        excerpt::clean,
        key::{api_key::ApiKey, command as key_command},
        secrets::Secrets,
    },
    chat::config_error::ConfigError,
    config::{key::KeySource, provider::ProviderConfig},
};

/// A function of the program that uses this library. It returns the key of the provider with this name, if it has one.
pub(crate) type Resolver =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Option<SecretString>, String>> + Send + Sync>;

/// Makes a resolver of a function with any type of error.
pub(crate) fn resolver<F, Fut, K, E>(resolve: F) -> Resolver
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<K>, E>> + Send + 'static,
    K: Into<SecretString>,
    E: Display,
{
    Arc::new(move |provider| {
        let resolved = resolve(provider);
        async move { Ok(resolved.await.map_err(|error| error.to_string())?.map(Into::into)) }.boxed()
    })
}

/// The key of one provider. All models of the provider share it, so that it is read once.
pub(crate) struct ProviderKey {
    provider: String,
    source: Option<KeySource>,
    resolver: Option<Resolver>,
    /// How long reading may take.
    limit: Duration,
    /// The setting that errors name.
    place: ConfigError,
    /// Absent until it is read, and again after the provider has refused it.
    current: ArcSwapOption<Option<ApiKey>>,
    /// Held while the key is read, so that many calls read it once.
    reading: Mutex<()>,
    /// All keys that were read.
    pub(crate) secrets: Secrets,
}

impl ProviderKey {
    /// The key of this provider, not yet read. Errors name the setting of `place`.
    pub(crate) fn new(provider: &ProviderConfig, resolver: Option<Resolver>, place: ConfigError) -> Self {
        Self {
            provider: provider.name.clone(),
            source: provider.key.clone(),
            resolver,
            limit: provider.key_timeout,
            place,
            current: ArcSwapOption::empty(),
            reading: Mutex::default(),
            secrets: Secrets::default(),
        }
    }

    /// Whether reading it again may give another key. The environment does not change.
    pub(crate) fn can_change(&self) -> bool {
        let is_read = matches!(self.source, Some(KeySource::File(_) | KeySource::Command { .. }));
        is_read || self.resolver.is_some()
    }

    /// Reads a key that is in the environment. A key from a file or a command is not read here.
    ///
    /// # Errors
    ///
    /// Name the setting and what is wrong. Never show the key.
    pub(crate) fn read_at_once(&self) -> Result<(), ConfigError> {
        let key = match &self.source {
            Some(KeySource::Env(variable)) => Some(ApiKey::from_env(variable).map_err(|problem| self.error(problem))?),
            Some(KeySource::Secret(key)) => Some(of_program(key).map_err(|problem| self.error(problem))?),
            Some(KeySource::File(_) | KeySource::Command { .. }) | None => None,
        };
        self.keep(key);
        Ok(())
    }

    /// Returns the key, and reads it first if necessary.
    ///
    /// # Errors
    ///
    /// Name the setting and what is wrong. Never show the key.
    pub(crate) async fn get(&self) -> Result<Arc<Option<ApiKey>>, ConfigError> {
        if let Some(key) = self.current.load_full() {
            return Ok(key);
        }
        let _one = self.reading.lock().await;
        if let Some(key) = self.current.load_full() {
            return Ok(key);
        }
        let read = timeout(self.limit, self.read()).await.unwrap_or_else(|_| {
            let limit = self.limit.as_secs_f64();
            Err(format!("gave no key within {limit} s (providers.{}.api_key_timeout_seconds)", self.provider))
        });
        Ok(self.keep(read.map_err(|problem| self.error(problem))?))
    }

    /// Checks that there is a key, as far as that can be told without running or waiting for anything: in the environment, or
    /// in a file.
    ///
    /// # Errors
    ///
    /// Names the setting and what is wrong, never the key.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let checked = match &self.source {
            _ if self.resolver.is_some() => Ok(()),
            Some(KeySource::Env(variable)) => ApiKey::from_env(variable).map(drop),
            // A pipe may have nobody at its other end.
            Some(KeySource::File(file)) if file.exists() && !file.is_file() => Ok(()),
            Some(KeySource::File(file)) => of_file(file).map(drop),
            Some(KeySource::Secret(_) | KeySource::Command { .. }) | None => Ok(()),
        };
        checked.map_err(|problem| self.error(problem))
    }

    /// Notes that the provider has refused this key. The next request reads it again. Many refusals of one key make it read once.
    pub(crate) fn refused(&self, key: &Arc<Option<ApiKey>>) {
        if self.can_change() {
            self.current.compare_and_swap(key, None);
        }
    }

    fn keep(&self, key: Option<ApiKey>) -> Arc<Option<ApiKey>> {
        if let Some(key) = &key {
            self.secrets.hide(key.expose());
        }
        let key = Arc::new(key);
        self.current.store(Some(key.clone()));
        key
    }

    async fn read(&self) -> Result<Option<ApiKey>, String> {
        if let Some(resolver) = &self.resolver {
            let answer = resolver(self.provider.clone()).await;
            let answer = answer.map_err(|error| format!("cannot be resolved: {}", clean(&error, None)))?;
            if let Some(key) = answer {
                return ApiKey::new("has a key from the program, which", key.expose_secret()).map(Some);
            }
        }
        let limit = self.limit;
        match self.source.clone() {
            None => Ok(None),
            Some(KeySource::Secret(key)) => of_program(&key).map(Some),
            Some(KeySource::Env(variable)) => ApiKey::from_env(&variable).map(Some),
            Some(KeySource::File(file)) => apart(move || of_file(&file)).await.map(Some),
            Some(KeySource::Command { program, arguments }) => {
                let printed = apart(move || key_command::run(&program, &arguments, limit)).await?;
                ApiKey::new("ran a command whose output", &printed).map(Some)
            }
        }
    }

    fn error(&self, problem: String) -> ConfigError {
        let provider = &self.provider;
        let help = match &self.source {
            Some(KeySource::Env(variable)) => {
                format!("put the key of {provider} into the environment variable {variable}")
            }
            Some(KeySource::File(_)) => format!("name a file that holds only the key of {provider}"),
            Some(KeySource::Command { .. }) => format!("name a program that prints only the key of {provider}"),
            Some(KeySource::Secret(_)) | None => String::new(),
        };
        ConfigError { problem, ..self.place.clone() }.help(help)
    }
}

/// The key that the program gave.
fn of_program(key: &SecretString) -> Result<ApiKey, String> {
    ApiKey::new("was given in code and", key.expose_secret())
}

/// Reads the key in this file.
///
/// # Errors
///
/// The file and what is wrong with it.
pub(crate) fn of_file(file: &Path) -> Result<ApiKey, String> {
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(key_command::LONGEST + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(format!("names the file {file:?}, which cannot be read: {error}")),
        Ok(_) if text.len() as u64 > key_command::LONGEST => {
            Err(format!("names the file {file:?}, which is longer than {} bytes", key_command::LONGEST))
        }
        Ok(_) => ApiKey::new(&format!("names the file {file:?}, which"), &text),
    }
}

/// Runs work that blocks on a thread for such work.
async fn apart<T: Send + 'static>(read: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(format!("could not be read: {error}")))
}

#[cfg(test)]
mod tests;
