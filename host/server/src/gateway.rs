//! What all routes share: the host and its models.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use arcllm::{ConfigError, Host, Model, Overrides};

use crate::page::{call_note::CallNote, page::Page, recent_calls::ThreadCalls};

/// How many loaded models are kept. A client may name any model of a provider.
const MOST_MODELS: usize = 1000;

/// The host behind the routes, and its models. Each thread has one of its own, so that instances of modules and connections
/// stay on it.
#[derive(Debug)]
pub struct Gateway {
    host: Host,
    models: Mutex<HashMap<String, Model>>,
    calls: Arc<ThreadCalls>,
    page: Arc<Page>,
}

impl Gateway {
    /// A gateway in front of this host.
    pub fn new(host: Host) -> Self {
        Self::with_page(host, Arc::default())
    }

    /// A gateway for one of the threads that share this page.
    pub(crate) fn with_page(host: Host, page: Arc<Page>) -> Self {
        Self { host, models: Mutex::default(), calls: page.calls.thread(), page }
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
    pub(crate) async fn model(&self, name: &str) -> Result<Model, ConfigError> {
        if let Some(model) = self.models().get(name) {
            return Ok(model.clone());
        }
        let model = self.host.load_model(name, Overrides::new()).await?;
        let mut models = self.models();
        if models.len() >= MOST_MODELS {
            models.clear();
        }
        models.insert(name.to_owned(), model.clone());
        Ok(model)
    }

    fn models(&self) -> std::sync::MutexGuard<'_, HashMap<String, Model>> {
        self.models.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
