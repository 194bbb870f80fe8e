//! Whom a request goes to: the provider, the model, and the secrets that the request carries.

use crate::{
    adapter::{
        format::{format::Format, table},
        secrets::Secrets,
    },
    config::provider::ProviderConfig,
};

/// One model of one provider, as an adapter asks it.
pub(crate) struct Asked {
    pub(crate) provider: ProviderConfig,
    pub(crate) model: String,
    /// The secrets that requests carry. Errors never show them.
    pub(crate) secrets: Option<Secrets>,
}

impl Asked {
    /// The wire format of the provider.
    pub(crate) fn format(&self) -> &'static dyn Format {
        table::format(self.provider.adapter)
    }
}
