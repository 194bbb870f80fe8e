//! The key of one provider, wherever it comes from, and for as long as that provider takes it.

use std::{fmt::Display, io::Read as _, path::Path, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use futures::future::{BoxFuture, FutureExt as _};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    adapter::{
        key::{api_key::ApiKey, command as key_command},
        secrets::Secrets,
    },
    config::{error::ConfigError, key::KeySource, provider::ProviderConfig},
};

/// What a program gives the keys of its providers by: asked with a provider's name, it says its key, or that it has none.
pub(crate) type Resolver = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Option<String>, String>> + Send + Sync>;

/// A resolver of what a program has written.
pub(crate) fn resolver<F, Fut, E>(resolve: F) -> Resolver
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<String>, E>> + Send + 'static,
    E: Display,
{
    Arc::new(move |provider| resolve(provider).map(|key| key.map_err(|error| error.to_string())).boxed())
}

/// The key of one provider. All that ask this provider share it, so that it is read once.
pub(crate) struct Keys {
    provider: String,
    source: Option<KeySource>,
    resolver: Option<Resolver>,
    /// The most time that reading may take.
    limit: Duration,
    /// What is wrong with it is said of this place in the configuration.
    place: ConfigError,
    /// Absent before it is read, and once the provider has refused it.
    current: ArcSwapOption<Option<ApiKey>>,
    /// Many that find no key read it once.
    reading: Mutex<()>,
    /// All keys that were ever read.
    pub(crate) secrets: Secrets,
}

impl Keys {
    /// The key of this provider, not read yet. `place` is where the configuration says where it comes from.
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

    /// Whether it may be another one when it is read again. What is in the environment stays there.
    pub(crate) fn can_change(&self) -> bool {
        let is_read = matches!(self.source, Some(KeySource::File(_) | KeySource::Command { .. }));
        is_read || self.resolver.is_some()
    }

    /// Reads what takes no waiting: a key in the environment, or none.
    ///
    /// # Errors
    ///
    /// Names the setting and what is wrong, never the key.
    pub(crate) fn read_at_once(&self) -> Result<(), ConfigError> {
        let key = match &self.source {
            Some(KeySource::Env(variable)) => Some(ApiKey::from_env(variable).map_err(|problem| self.error(problem))?),
            Some(KeySource::Secret(key)) => Some(of_program(key).map_err(|problem| self.error(problem))?),
            Some(KeySource::File(_) | KeySource::Command { .. }) | None => None,
        };
        self.keep(key);
        Ok(())
    }

    /// The key, read if it has to be.
    ///
    /// # Errors
    ///
    /// Names the setting and what is wrong, never the key.
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

    /// The provider refuses this key: the next that asks has it read again. One refusal has it read once.
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
            let answer =
                answer.map_err(|error| format!("is not resolved: {}", crate::adapter::excerpt::clean(&error, None)))?;
            if let Some(key) = answer {
                return ApiKey::new("has a key from the program, which", &key).map(Some);
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
            Some(KeySource::File(_)) => format!("a file that holds the key of {provider}, and nothing else"),
            Some(KeySource::Command { .. }) => format!("a program that prints the key of {provider}, and nothing else"),
            Some(KeySource::Secret(_)) | None => String::new(),
        };
        ConfigError { problem, ..self.place.clone() }.help(help)
    }
}

/// The key that the program gave.
fn of_program(key: &SecretString) -> Result<ApiKey, String> {
    ApiKey::new("was given in code and", key.expose_secret())
}

/// The key in this file.
///
/// # Errors
///
/// Names the file and what is wrong with it.
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

/// Does what waits for others where it holds nobody up.
async fn apart<T: Send + 'static>(read: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(format!("could not be read: {error}")))
}

#[cfg(test)]
mod tests;
