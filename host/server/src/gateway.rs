//! What all routes share: the host and its models.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arcllm::{ConfigError, Host, Model, Options, Overrides, WireFormat};
use tokio::sync::OnceCell;

use crate::page::{call_note::CallNote, page::Page, recent_calls::ThreadCalls};

/// How many loaded models are kept. A client may name any model of a provider.
const MOST_MODELS: usize = 1000;

/// The host behind the routes, and its models. Each thread has one of its own, so that instances of modules and connections
/// stay on it.
#[derive(Debug)]
pub struct Gateway {
    host: Host,
    models: Mutex<HashMap<String, LoadedModel>>,
    /// The modules that ask again.
    repeaters: OnceCell<HashSet<String>>,
    calls: Arc<ThreadCalls>,
    page: Arc<Page>,
}

/// A model that clients ask.
#[derive(Debug, Clone)]
pub(crate) struct LoadedModel {
    pub(crate) model: Model,
    /// Whether a module of its chain asks again after a failure. Then clients need not.
    pub(crate) asks_again: bool,
}

impl Gateway {
    /// A gateway in front of this host.
    pub fn new(host: Host) -> Self {
        Self::with_page(host, Arc::default())
    }

    /// A gateway for one of the threads that share this page.
    pub(crate) fn with_page(host: Host, page: Arc<Page>) -> Self {
        Self { host, models: Mutex::default(), repeaters: OnceCell::new(), calls: page.calls.thread(), page }
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    /// Notes for the page that a call of this model begins.
    pub(crate) fn note(&self, asked: &str, streamed: bool) -> CallNote {
        CallNote::begin(&self.calls, asked, streamed, None)
    }

    /// The model of this name. Loads it at its first use.
    ///
    /// # Errors
    ///
    /// As [`Host::load_model`].
    pub(crate) async fn model(&self, name: &str) -> Result<LoadedModel, ConfigError> {
        if let Some(model) = self.models().get(name) {
            return Ok(model.clone());
        }
        let model = self.host.load_model(name, Overrides::new()).await?;
        let repeaters = self.repeaters.get_or_try_init(|| repeaters(&self.host)).await?;
        let asks_again = model.modules().any(|module| repeaters.contains(module));
        let model = LoadedModel { model, asks_again };
        let mut models = self.models();
        if models.len() >= MOST_MODELS {
            models.clear();
        }
        models.insert(name.to_owned(), model.clone());
        Ok(model)
    }

    /// The format of the provider of this model.
    pub(crate) fn format(&self, model: &Model) -> Option<WireFormat> {
        Some(self.host.config().providers.get(model.provider())?.adapter)
    }

    /// Lowers `max_tokens` to what the model can write, where that is known. Some clients ask for far more.
    pub(crate) fn clamp(&self, model: &Model, options: &mut Options) {
        let provider = self.host.config().providers.get(model.provider());
        let facts = provider.and_then(|provider| provider.models.get(model.model()));
        if let Some(most) = facts.and_then(|facts| facts.max_output_tokens) {
            let most = u32::try_from(most).unwrap_or(u32::MAX);
            options.max_tokens = options.max_tokens.map(|tokens| tokens.min(most));
        }
    }

    fn models(&self) -> MutexGuard<'_, HashMap<String, LoadedModel>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The modules that say of themselves that they ask again.
async fn repeaters(host: &Host) -> Result<HashSet<String>, ConfigError> {
    let modules = host.modules().await?.into_iter();
    let asks_again = modules.filter(|module| module.behavior.iter().any(|behavior| behavior == "asks-again"));
    Ok(asks_again.map(|module| module.name).collect())
}
