//! What all routes share: the host and its models.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arcllm::{ConfigError, Host, Model, Overrides};
use http::StatusCode;

use crate::{
    caller::Caller,
    keys::Holder,
    log::Log,
    problem::Problem,
    readiness::without_file,
    shared::{Live, Shared},
};

/// How many loaded models are kept. A client may name any model of a provider.
const MOST_MODELS: usize = 1000;

/// The longest name of a model that is kept, in bytes.
const LONGEST_NAME: usize = 256;

/// The host behind the routes, and its models. Each thread has one of its own, so that instances of modules and connections
/// stay on it.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    loaded: Mutex<Arc<Loaded>>,
}

/// The models that are loaded from one configuration.
#[derive(Debug)]
struct Loaded {
    live: Arc<Live>,
    models: Mutex<HashMap<String, Model>>,
}

impl Gateway {
    /// A gateway in front of this host, with the keys and limits of its `[serve]`. It writes no log. `/metrics` is served by
    /// `arcllm serve` alone.
    pub fn new(host: Host) -> Self {
        let shared = Shared::new(host, Log::off(), None);
        shared.readiness.reach(crate::readiness::Stage::Ready);
        Self::of(Arc::new(shared))
    }

    /// A gateway for one of the threads that share this.
    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        let loaded = Mutex::new(Arc::new(Loaded::new(shared.live().clone())));
        Self { shared, loaded }
    }

    /// The host that new calls use.
    pub(crate) fn host(&self) -> Host {
        self.shared.live().host.clone()
    }

    /// The model of this name. Loads it at its first use.
    ///
    /// # Errors
    ///
    /// 403 if the caller may not use it, 404 if no model has this name, 500 if it cannot be loaded.
    pub(crate) async fn model(&self, caller: &Caller, name: &str) -> Result<Model, Problem> {
        let loaded = self.loaded();
        let may_use = |full: Option<&str>| caller.holder.as_ref().is_none_or(|holder| holder.may_use(name, full));
        match loaded.model(name).await {
            Ok(model) if may_use(None) || may_use(Some(&full_name(&model))) => Ok(model),
            Err(error) if may_use(None) => Err(self.not_loaded(caller.holder.as_deref(), name, &error)),
            // The same words whether or not there is such a model: names are not told to those who may not use them.
            Ok(_) | Err(_) => Err(forbidden(name, caller.holder.as_deref())),
        }
    }

    fn not_loaded(&self, holder: Option<&Holder>, name: &str, error: &ConfigError) -> Problem {
        if !error.is_unknown_model() {
            self.shared.log.tell(format_args!("the model {name:?} cannot be loaded: {error}"));
            let message = format!("the model `{name}` cannot be loaded; the log of the gateway says why");
            let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message);
            return Problem { should_retry: Some(false), ..problem };
        }
        let mut error = error.clone();
        // The nearest names may be some that this key may not use.
        if let Some(patterns) = holder.and_then(Holder::patterns) {
            error.help = Some(format!("this key may use {}", patterns.join(", ")));
        }
        let problem = Problem::new(StatusCode::NOT_FOUND, without_file(&error));
        Problem { param: Some("model".to_owned()), should_retry: Some(false), ..problem }
    }

    /// The models of the configuration that new calls use.
    fn loaded(&self) -> Arc<Loaded> {
        let live = self.shared.live();
        let mut loaded = lock(&self.loaded);
        if !Arc::ptr_eq(&loaded.live, &live) {
            *loaded = Arc::new(Loaded::new(live.clone()));
        }
        loaded.clone()
    }
}

impl Loaded {
    fn new(live: Arc<Live>) -> Self {
        Self { live, models: Mutex::default() }
    }

    async fn model(&self, name: &str) -> Result<Model, ConfigError> {
        if let Some(model) = lock(&self.models).get(name) {
            return Ok(model.clone());
        }
        let model = self.live.host.load_model(name, Overrides::new()).await?;
        let mut models = lock(&self.models);
        if models.len() >= MOST_MODELS {
            models.clear();
        }
        if name.len() <= LONGEST_NAME {
            models.insert(name.to_owned(), model.clone());
        }
        Ok(model)
    }
}

fn full_name(model: &Model) -> String {
    format!("{}/{}", model.provider(), model.model())
}

fn forbidden(name: &str, holder: Option<&Holder>) -> Problem {
    let patterns = holder.and_then(Holder::patterns).unwrap_or_default().join(", ");
    let message = format!("this key may not use the model `{name}`\n  help: it may use {patterns}");
    let problem = Problem::new(StatusCode::FORBIDDEN, message);
    Problem { param: Some("model".to_owned()), should_retry: Some(false), ..problem }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
