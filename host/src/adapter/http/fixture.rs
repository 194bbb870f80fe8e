//! What the tests of this folder share.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    adapter::{http::access::Access, key::keys::Keys, secrets::Secrets},
    config::{error::ConfigError, provider::ProviderConfig, wire_format::WireFormat},
};

/// A provider named `here` with no defaults and limits of seconds.
pub(crate) fn provider(adapter: WireFormat, base_url: &str) -> ProviderConfig {
    ProviderConfig {
        name: "here".into(),
        adapter,
        base_url: base_url.parse().unwrap(),
        allow_insecure_http: false,
        key: None,
        key_header: None,
        key_timeout: Duration::from_secs(10),
        headers: BTreeMap::new(),
        query: BTreeMap::new(),
        default_model: None,
        timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(5),
        first_event_timeout: None,
        idle_timeout: Duration::from_secs(10),
        max_event_bytes: 1024 * 1024,
        max_response_bytes: 1024 * 1024,
        max_tokens: None,
        temperature: None,
        models: BTreeMap::new(),
        is_programs: false,
    }
}

/// The key `sk-secret`.
pub(crate) fn key() -> Access {
    key_of(&provider(WireFormat::OpenAi, "http://localhost"))
}

/// The key `sk-secret`, and what else this provider's requests carry.
pub(crate) fn key_of(provider: &ProviderConfig) -> Access {
    let resolver = crate::adapter::key::keys::resolver(async |_| Ok::<_, String>(Some("sk-secret".to_owned())));
    Access::new(provider, Arc::new(Keys::new(provider, Some(resolver), ConfigError::new("")))).unwrap()
}

/// What hides `sk-secret`.
pub(crate) fn secrets() -> Secrets {
    let secrets = Secrets::default();
    secrets.hide("sk-secret");
    secrets
}
