//! Whom a request goes to: the provider, the model, and the secrets that the request carries.

use crate::{
    adapter::{
        excerpt::clean,
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
    /// The address that requests go to, for a message. Leaves out what may be secret: the user, the query and the fragment.
    pub(crate) fn address(&self) -> String {
        let mut address = self.format().endpoint(&self.provider.base_url);
        address.set_query(None);
        address.set_fragment(None);
        // Both fail only for addresses without a host, which have no user.
        let _ = address.set_username("");
        let _ = address.set_password(None);
        clean(address.as_str(), self.secrets.as_ref())
    }

    /// The wire format of the provider.
    pub(crate) fn format(&self) -> &'static dyn Format {
        table::format(self.provider.adapter)
    }
}

#[cfg(test)]
mod tests {
    use crate::{adapter::http::fixture, chat::wire_format::WireFormat};

    #[test]
    fn an_address_holds_nothing_secret() {
        let base_url = "https://me:pass@example.com:8443/a?token=hidden#part".parse().unwrap();
        let asked = fixture::asked(WireFormat::OpenAi, |provider| provider.base_url = base_url);
        assert_eq!(asked.address(), "https://example.com:8443/a/chat/completions");
        let base_url = "http://localhost/sk-secret".parse().unwrap();
        let asked = fixture::asked(WireFormat::Anthropic, |provider| provider.base_url = base_url);
        assert_eq!(asked.address(), "http://localhost/[redacted]/v1/messages");
    }
}
