//! What all routes share: the host and its models.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arcllm::{ConfigError, Error, Host, Model, Options, Overrides, Reasoning, RequestLog, WireFormat};
use http::StatusCode;
use serde_json::Value;

use crate::{
    client::problem::Problem,
    gateway::{
        caller::{Caller, LONGEST_NAME},
        keys::Holder,
        readiness::Stage,
        shared::{Live, Shared},
    },
    page::recent_calls::ThreadCalls,
};

/// How many loaded models are kept. A client may name any model of a provider.
const MOST_MODELS: usize = 1000;

/// The smallest budget for reasoning that Anthropic takes.
const LEAST_BUDGET: u32 = 1024;

/// The extension with a client's own `thinking`.
const THINKING: &str = "anthropic.thinking";

/// The host behind the routes, and its models. Each thread has one of its own, so that instances of modules and connections
/// stay on it.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    /// The calls of this thread that have ended.
    pub(crate) calls: Arc<ThreadCalls>,
    loaded: Mutex<Arc<Loaded>>,
}

/// The models that are loaded from one configuration.
#[derive(Debug)]
struct Loaded {
    live: Arc<Live>,
    models: Mutex<HashMap<String, LoadedModel>>,
    /// What modules say of themselves, by their names.
    said: Mutex<HashMap<String, Said>>,
}

/// A model that clients ask.
#[derive(Debug, Clone)]
pub(crate) struct LoadedModel {
    pub(crate) model: Model,
    /// Whether a module of its chain asks again after a failure. Then clients need not.
    pub(crate) asks_again: bool,
    /// The module of its chain that rewrites each request, so that no provider gets one as it came.
    pub(crate) rewritten_by: Option<String>,
}

/// What a module says of itself, as far as it counts here.
#[derive(Debug, Clone, Copy)]
struct Said {
    asks_again: bool,
    rewrites: bool,
}

impl LoadedModel {
    /// The problem that an error of a call is. A client need not try again what a module has tried again.
    pub(crate) fn problem(&self, error: &Error) -> Problem {
        let mut problem = Problem::from(error);
        if error.trail.len() > 1 || self.asks_again {
            problem.should_retry = Some(false);
        }
        problem
    }
}

impl Gateway {
    /// A gateway in front of this host, with the keys and limits of its `[serve]`. It writes no log. `/metrics` is served by
    /// `arcllm serve` alone.
    pub fn new(host: Host) -> Self {
        let shared = Shared::new(host, RequestLog::Off, None);
        shared.readiness.reach(Stage::Ready);
        Self::of(Arc::new(shared))
    }

    /// A gateway for one of the threads that share this.
    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        let loaded = Mutex::new(Arc::new(Loaded::new(shared.live().clone())));
        Self { calls: shared.page.calls.thread(), shared, loaded }
    }

    /// The host that new calls use.
    pub(crate) fn host(&self) -> Host {
        self.shared.live().host.clone()
    }

    /// The model of this name. Loads it at its first use.
    ///
    /// # Errors
    ///
    /// 400 if the name is too long, 403 if the caller may not use the model, 404 if no model has this name, 500 if it cannot be
    /// loaded.
    pub(crate) async fn model(&self, caller: &Caller, name: &str) -> Result<LoadedModel, Problem> {
        if name.len() > LONGEST_NAME {
            let message = format!("has {} bytes, and the name of a model has {LONGEST_NAME} at most", name.len());
            return Err(Problem { should_retry: Some(false), ..Problem::bad_field("model", message) });
        }
        let loaded = self.loaded();
        let may_use = |full: Option<&str>| caller.holder.as_ref().is_none_or(|holder| holder.may_use(name, full));
        match loaded.model(name).await {
            Ok(model) if may_use(None) || may_use(Some(&full_name(&model.model))) => Ok(model),
            Err(error) if may_use(None) => Err(not_loaded(caller.holder.as_deref(), &error)),
            // The same words whether or not there is such a model: names are not told to those who may not use them.
            Ok(_) | Err(_) => Err(forbidden(name, caller.holder.as_deref())),
        }
    }

    /// The format of the provider of this model.
    pub(crate) fn format(&self, model: &Model) -> Option<WireFormat> {
        Some(self.shared.live().host.config().providers.get(model.provider())?.adapter)
    }

    /// Lowers `max_tokens` to what the model can write, where that is known. Some clients ask for far more.
    pub(crate) fn clamp(&self, model: &Model, options: &mut Options) {
        let live = self.shared.live();
        let provider = live.host.config().providers.get(model.provider());
        let facts = provider.map(|provider| provider.facts(model.model()));
        if let Some(most) = facts.and_then(|facts| facts.max_output_tokens) {
            let most = u32::try_from(most).unwrap_or(u32::MAX);
            let asked = options.max_tokens;
            options.max_tokens = asked.map(|tokens| tokens.min(most));
            if options.max_tokens != asked {
                fit_reasoning(options, most);
            }
        }
    }

    /// Leaves out reasoning for a model that is known to have none. Some clients ask for it whatever the model.
    pub(crate) fn leave_out_reasoning(&self, model: &Model, options: &mut Options) {
        let live = self.shared.live();
        let provider = live.host.config().providers.get(model.provider());
        if provider.is_some_and(|provider| arcllm::reasons(provider, model.model()) == Some(false)) {
            options.reasoning = None;
        }
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
        Self { live, models: Mutex::default(), said: Mutex::default() }
    }

    async fn model(&self, name: &str) -> Result<LoadedModel, ConfigError> {
        if let Some(model) = lock(&self.models).get(name) {
            return Ok(model.clone());
        }
        let model = self.live.host.load_model(name, Overrides::new()).await?;
        let (mut asks_again, mut rewritten_by) = (false, None);
        for module in model.modules() {
            let said = self.said(module).await?;
            asks_again |= said.asks_again;
            rewritten_by = rewritten_by.or_else(|| said.rewrites.then(|| module.to_owned()));
        }
        let model = LoadedModel { model, asks_again, rewritten_by };
        let mut models = lock(&self.models);
        if models.len() >= MOST_MODELS {
            models.clear();
        }
        models.insert(name.to_owned(), model.clone());
        Ok(model)
    }

    /// What a module says of itself.
    async fn said(&self, module: &str) -> Result<Said, ConfigError> {
        if let Some(said) = lock(&self.said).get(module) {
            return Ok(*said);
        }
        let report = self.live.host.module(module).await?;
        let may = |word: &str| report.behavior.iter().any(|behavior| behavior == word);
        // Other kinds change a request to ask again, or to ask another model.
        let rewrites = may("changes-requests") && report.kind.as_deref() == Some("transformer");
        let said = Said { asks_again: may("asks-again"), rewrites };
        lock(&self.said).insert(module.to_owned(), said);
        Ok(said)
    }
}

fn not_loaded(holder: Option<&Holder>, error: &ConfigError) -> Problem {
    let mut error = error.clone();
    // The nearest names may be some that this key may not use.
    if let Some(patterns) = holder.and_then(Holder::patterns).filter(|_| error.is_unknown_model()) {
        error.help = Some(format!("this key may use {}", patterns.join(", ")));
    }
    Problem::of_load(&error)
}

/// Makes a budget for reasoning fit into this lowered limit of tokens: it has to be smaller.
fn fit_reasoning(options: &mut Options, limit: u32) {
    let room = limit.saturating_sub(1);
    match &options.reasoning {
        Some(Reasoning::Budget(budget)) if *budget > room && room < LEAST_BUDGET => options.reasoning = None,
        Some(Reasoning::Budget(budget)) if *budget > room => options.reasoning = Some(Reasoning::Budget(room)),
        _ => return,
    }
    let Some(Value::Object(thinking)) = options.extensions.get_mut(THINKING) else { return };
    match options.reasoning {
        Some(_) => drop(thinking.insert("budget_tokens".to_owned(), room.into())),
        None => drop(options.extensions.remove(THINKING)),
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
