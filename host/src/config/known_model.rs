//! What a configuration says of one model.

use crate::config::{provider::ModelFacts, wire_format::WireFormat};

/// A model that can be loaded, with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KnownModel {
    /// The name that loads it.
    pub(crate) name: String,
    pub(crate) provider: String,
    pub(crate) model: String,
    /// The format of its provider. Absent for an adapter of the program's own.
    pub(crate) format: Option<WireFormat>,
    pub(crate) facts: ModelFacts,
}
