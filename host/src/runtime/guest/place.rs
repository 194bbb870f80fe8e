//! A module's place in one chain, as its calls see it. The same instance may serve many places.

use std::sync::Arc;

use metrics::Histogram;

use crate::{
    call::{clock::Clock, upstream::Upstream},
    config::{error::ConfigError, provider::ModelFacts, wire_format::WireFormat},
    runtime::guest::may_add::MayAdd,
};

/// A module's place in one chain.
pub(crate) struct Place {
    /// The module's name in the config.
    pub(crate) module: Arc<str>,
    /// Where the module's other models come from.
    pub(crate) loader: Arc<dyn ModelLoader>,
    /// What the module may add to a request.
    pub(crate) may_add: MayAdd,
    /// What tells the module the time of day.
    pub(crate) clock: Clock,
    /// Counts the time that the module spends itself.
    pub(crate) own_time: Histogram,
}

/// Loads what a module asks for by name. The host, which knows all providers, implements it.
pub(crate) trait ModelLoader: Send + Sync {
    /// The end of a chain for this provider's default model.
    ///
    /// # Errors
    ///
    /// Where the provider is unknown, not trusted or has no key.
    fn load(&self, provider: &str) -> Result<Arc<Upstream>, ConfigError>;

    /// What config says of this model of this provider.
    fn facts(&self, provider: &str, model: &str) -> Option<(WireFormat, ModelFacts)>;
}
