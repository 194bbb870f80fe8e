//! A module's place in one chain, as its calls see it. An instance may serve many places.

use std::sync::{Arc, OnceLock};

use metrics::Histogram;

use crate::{
    call::{clock::Clock, upstream::Upstream},
    chat::config_error::ConfigError,
    config::known_model::KnownModel,
    journal::journal::Journal,
    runtime::guest::may_add::MayAdd,
};

/// A module's place in one chain.
pub(crate) struct Place {
    /// The module's name in the config.
    pub(crate) module: Arc<str>,
    /// Loads other models for the module.
    pub(crate) loader: Arc<dyn ModelLoader>,
    /// What the module may add to a request.
    pub(crate) may_add: MayAdd,
    /// Where the module appends records. Set when a module with the grant is loaded.
    pub(crate) journal: OpenedJournal,
    /// Tells the module the time of day.
    pub(crate) clock: Clock,
    /// Counts the time that the module itself takes.
    pub(crate) own_time: Histogram,
}

/// A host's journal, once it is open.
pub(crate) type OpenedJournal = Arc<OnceLock<Arc<dyn Journal>>>;

/// Loads the models that a module asks for. The host implements it.
pub(crate) trait ModelLoader: Send + Sync {
    /// The end of a chain for this name, which is any that [`Host::load_model`](crate::Host::load_model) takes.
    ///
    /// # Errors
    ///
    /// Where the name or the provider is unknown, not trusted or has no key.
    fn load(&self, name: &str) -> Result<Arc<Upstream>, ConfigError>;

    /// What is known of the model of this name.
    fn facts(&self, name: &str) -> Option<KnownModel>;

    /// The models that can be loaded.
    fn list(&self) -> Arc<[KnownModel]>;
}
