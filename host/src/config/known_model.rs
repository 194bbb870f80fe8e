//! What a configuration says of one model.

use crate::{chat::wire_format::WireFormat, config::model_facts::ModelFacts};

/// A model that can be loaded, with what is known of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KnownModel {
    /// The name that loads it.
    pub name: String,
    /// Its provider.
    pub provider: String,
    /// The model that the provider is asked for.
    pub model: String,
    /// The format of its provider. Absent for an adapter of the program's own.
    pub format: Option<WireFormat>,
    /// Its limits and prices, as far as they are known.
    pub facts: ModelFacts,
}
